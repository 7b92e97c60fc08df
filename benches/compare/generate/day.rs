//! Several objects of a flow log, one for each five minutes: `--objects`, and `--day` with [`troubles`](super::troubles).
//!
//! Object n covers the five minutes from 2026-11-23T00:00:00Z + 5 n minutes. All records of an object end in them. Background traffic
//! follows the hour of the day: the share of an hour is in [`LOAD`]. [`distributed`] records come on top in every object.

use super::distributed;
use super::generator::{FILE_SECONDS, FILE_START, Generator};
use super::network::{FIRST_ATTACHMENT, Interface};
use super::record::{Record, Run};
use super::scenarios::{self, Planter};
use super::troubles::{self, OBJECTS_PER_HOUR};

/// Objects of a day.
pub const OBJECTS: u64 = 24 * OBJECTS_PER_HOUR;

/// 2026-11-23T00:00:00Z.
const DAY_START: u64 = FILE_START - 6 * 3600;

/// Relative load of each hour: most of it is in the working day.
const LOAD: [u64; 24] = [2, 2, 2, 2, 2, 3, 4, 6, 9, 10, 10, 10, 9, 10, 10, 10, 9, 8, 7, 6, 5, 4, 3, 2];

/// Number of records that are enough for every object, on average.
pub const MIN_RECORDS_PER_OBJECT: u64 = 300;

/// The objects of a flow log.
pub struct Day<'a> {
    interfaces: &'a [Interface],
    generator: Generator<'a>,
    /// Sizes of the objects, in records.
    sizes: Vec<u64>,
    malformed: u64,
    has_troubles: bool,
}

impl<'a> Day<'a> {
    /// Creates this number of objects, at most [`OBJECTS`], with `records` records, at least [`MIN_RECORDS_PER_OBJECT`] for each. The
    /// malformed records are in the first object.
    pub fn new(interfaces: &'a [Interface], seed: u64, objects: u64, records: u64, malformed: u64) -> Self {
        let generator = Generator::without_records(&interfaces[..FIRST_ATTACHMENT], seed);
        Self { interfaces, generator, sizes: sizes(objects, records - malformed), malformed, has_troubles: false }
    }

    /// Adds the troubles.
    pub fn with_troubles(self) -> Self {
        Self { has_troubles: true, ..self }
    }

    /// Returns the records of an object. Call it once for each object, in order, and take all records.
    pub fn object(&mut self, number: u64) -> impl Iterator<Item = Record> + use<'_, 'a> {
        let planted = self.planted(number);
        let size = self.sizes[number as usize] + if number == 0 { self.malformed } else { 0 };
        assert!(scenarios::records(&planted) <= size, "an object has room for its planted records");
        self.generator.begin(DAY_START + number * FILE_SECONDS, size, planted);
        self.generator.by_ref()
    }

    fn planted(&self, number: u64) -> Vec<Run> {
        let mut runs = distributed::runs(self.interfaces, number);
        if self.has_troubles {
            runs.extend(troubles::runs(self.interfaces, number));
        }
        if number == 0 {
            let mut planter = Planter::new(self.interfaces);
            planter.plant_malformed(self.malformed);
            runs.extend(planter.into_runs());
        }
        runs
    }
}

/// Divides the records among the objects by the load of their hours.
fn sizes(objects: u64, records: u64) -> Vec<u64> {
    let load = |object: u64| LOAD[(object / OBJECTS_PER_HOUR) as usize % LOAD.len()];
    let total: u64 = (0..objects).map(load).sum();
    let mut done = 0;
    let mut ends = (0..objects).map(|object| {
        done += load(object);
        // No overflow, and no record is lost to rounding.
        (u128::from(records) * u128::from(done) / u128::from(total)) as u64
    });
    let mut start = 0;
    std::iter::from_fn(|| ends.next().map(|end| end - std::mem::replace(&mut start, end))).collect()
}

/// Returns the time of an object in its name, such as `20261123T0005Z`.
pub fn time_of(object: u64) -> String {
    let minute = object * FILE_SECONDS / 60;
    format!("20261123T{:02}{:02}Z", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::super::network;
    use super::super::record::Content;
    use super::*;

    #[test]
    fn no_record_is_lost_and_nights_are_quiet() {
        for records in [OBJECTS * MIN_RECORDS_PER_OBJECT, 1_000_001] {
            let sizes = sizes(OBJECTS, records);
            assert_eq!(sizes.iter().sum::<u64>(), records);
            assert!(sizes[12 * 9] >= 4 * sizes[0], "{sizes:?}");
        }
        assert_eq!(sizes(2, 1_601), [800, 801]);
    }

    #[test]
    fn the_smallest_day_has_room_for_all_planted_records() {
        let most_distributed = (0..OBJECTS).map(|object| {
            let interfaces = network::interfaces_with_attachments();
            scenarios::records(&distributed::runs(&interfaces, object))
        });
        let most = most_distributed.max().unwrap_or_default() + troubles::MAX_RECORDS;
        let least = sizes(OBJECTS, OBJECTS * MIN_RECORDS_PER_OBJECT).into_iter().min().unwrap_or_default();
        assert!(most <= least, "{most} of {least}");
    }

    #[test]
    fn records_end_in_the_five_minutes_of_their_object() {
        let interfaces = network::interfaces_with_attachments();
        let mut day = Day::new(&interfaces, 1, 3, 3 * MIN_RECORDS_PER_OBJECT, 3);
        for number in 0..3 {
            let start = DAY_START + number * FILE_SECONDS;
            let records: Vec<Record> = day.object(number).collect();
            assert!(records.iter().all(|record| (start..=start + FILE_SECONDS).contains(&record.capture_window.end)));
            let malformed = records.iter().filter(|record| matches!(record.content, Content::Malformed(..))).count();
            assert_eq!(
                (records.len() as u64, malformed),
                (MIN_RECORDS_PER_OBJECT - 1 + u64::from(number == 0) * 3, if number == 0 { 3 } else { 0 })
            );
        }
    }

    #[test]
    fn names_have_the_start_of_their_object() {
        assert_eq!(
            [0, 1, 12, 287].map(time_of),
            ["20261123T0000Z", "20261123T0005Z", "20261123T0100Z", "20261123T2355Z"]
        );
    }
}
