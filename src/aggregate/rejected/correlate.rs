//! Whether what was rejected is alike to what was let through, or its answer.

use super::keys::{GroupKey, PartKey};
use super::{Rejects, Sums};
use crate::aggregate::accepted::{Asked, LetThrough, Tuple};
use crate::aggregate::rejected::cause::Basis;
use crate::input::cpu::{Cpu, Simd, Work};

impl Rejects {
    /// Looks for the tuples of the records whose cause hangs on them among those that were let through.
    pub fn look_up(&mut self, let_through: &LetThrough) {
        let asked = Asked::of(self.parts.iter().filter_map(|(key, _)| key.tuple()), self.parts.len());
        Cpu::detect().run(LookUp { rejects: self, let_through, asked: &asked });
    }

    #[inline(never)]
    fn each_open(&mut self, tuple: Tuple, mut change: impl FnMut(&mut Sums)) {
        let Tuple { interface, protocol, src, dst, srcport, dstport } = tuple;
        let group =
            GroupKey { interface, src: Some(src), dst: Some(dst), dstport: Some(dstport), protocol: Some(protocol) };
        for basis in [Basis::MayBeAnswer(srcport), Basis::MayBeLateOrAnswer(srcport)] {
            self.parts.get_mut(PartKey { group, basis }).into_iter().for_each(&mut change);
        }
    }
}

/// [`Rejects::look_up`], of which most is to read all that was let through.
struct LookUp<'w> {
    rejects: &'w mut Rejects,
    let_through: &'w LetThrough,
    asked: &'w Asked,
}

impl Work for LookUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: impl Simd) {
        self.let_through.each_asked(self.asked, |tuple| {
            self.rejects.each_open(tuple, |sums| sums.alike = true);
            self.rejects.each_open(tuple.reversed(), |sums| sums.is_answer = true);
        });
    }
}
