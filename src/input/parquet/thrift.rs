//! Reads Thrift's compact protocol, in which Parquet stores its footer and the headers of its pages:
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.
//!
//! Every read is bounded by the bytes that are there. Nothing is reserved for a size that the bytes claim.

/// Why bytes cannot be decoded. The caller adds their position.
pub(super) type Decoded<T> = Result<T, Damage>;

/// A reason why bytes cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// The bytes end too early.
    Truncated,
    /// The bytes have an impossible value.
    Invalid(&'static str),
}

impl Damage {
    /// Returns the reason in words.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Damage::Truncated => "it ends too early",
            Damage::Invalid(reason) => reason,
        }
    }
}

/// A field whose type on the wire differs from that in the definition.
pub(super) const WRONG_TYPE: Damage = Damage::Invalid("a field has another type than in Parquet's definition");

/// A list with more elements than a flow log has by far.
pub(super) const TOO_MANY: Damage = Damage::Invalid("a list has too many elements");

/// Structs, lists and maps within each other. Parquet has about six.
const MAX_DEPTH: u32 = 32;

/// A type on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    True,
    False,
    Byte,
    /// An integer of 16, 32 or 64 bits, all of which have the same encoding.
    Integer,
    Double,
    Binary,
    List,
    Map,
    Struct,
    Uuid,
}

impl Type {
    fn from_code(code: u8) -> Decoded<Type> {
        Ok(match code {
            1 => Type::True,
            2 => Type::False,
            3 => Type::Byte,
            4..=6 => Type::Integer,
            7 => Type::Double,
            8 => Type::Binary,
            9 | 10 => Type::List,
            11 => Type::Map,
            12 => Type::Struct,
            13 => Type::Uuid,
            _ => return Err(Damage::Invalid("a Thrift type is unknown")),
        })
    }
}

/// A position in the bytes.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// Returns the number of bytes used so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn take(&mut self, count: usize) -> Decoded<&'a [u8]> {
        let end = self.at.checked_add(count).ok_or(Damage::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(Damage::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Decoded<u8> {
        let byte = *self.bytes.get(self.at).ok_or(Damage::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// Reads an unsigned number, seven bits a byte.
    pub(super) fn varint(&mut self) -> Decoded<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damage::Invalid("a number has more than 64 bits"))
    }

    /// Reads a signed number.
    pub(super) fn integer(&mut self) -> Decoded<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Reads a length that must not be negative, such as a page size.
    pub(super) fn length(&mut self) -> Decoded<usize> {
        usize::try_from(self.integer()?).map_err(|_| Damage::Invalid("a size is negative"))
    }

    pub(super) fn binary(&mut self) -> Decoded<&'a [u8]> {
        let length = usize::try_from(self.varint()?).map_err(|_| Damage::Truncated)?;
        self.take(length)
    }

    /// Reads the start of the next field of a struct: its number and its type. Returns `None` at the end of the struct. `last` is
    /// the number of the field before, and becomes the number of this one.
    pub(super) fn field(&mut self, last: &mut i64) -> Decoded<Option<(i64, Type)>> {
        let head = self.byte()?;
        if head & 0xf == 0 {
            return Ok(None);
        }
        let number = match head >> 4 {
            0 => self.integer()?,
            delta => last.checked_add(delta.into()).ok_or(Damage::Invalid("a field number is too large"))?,
        };
        *last = number;
        Ok(Some((number, Type::from_code(head & 0xf)?)))
    }

    /// Reads the start of a list: the type and the number of its elements. Each element has at least one byte, so the number is at
    /// most that of the remaining bytes.
    pub(super) fn list(&mut self) -> Decoded<(Type, usize)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.varint()?).map_err(|_| Damage::Truncated)?,
            few => usize::from(few),
        };
        if count > self.bytes.len() - self.at {
            return Err(Damage::Truncated);
        }
        // Some writers give an empty list no type.
        let element = if count == 0 { Type::Byte } else { Type::from_code(head & 0xf)? };
        Ok((element, count))
    }

    /// Reads the start of a list of at most so many structs, and returns their number.
    pub(super) fn struct_count(&mut self, most: usize) -> Decoded<usize> {
        match self.list()? {
            (_, 0) => Ok(0),
            (Type::Struct, count) if count <= most => Ok(count),
            (Type::Struct, _) => Err(TOO_MANY),
            _ => Err(WRONG_TYPE),
        }
    }

    /// Skips a value of a field.
    pub(super) fn skip(&mut self, value: Type) -> Decoded<()> {
        match value {
            Type::True | Type::False => Ok(()),
            other => self.skip_element(other, MAX_DEPTH),
        }
    }

    /// Skips an element of a list, or a value of a field that is not a Boolean: in lists, Booleans have a byte.
    fn skip_element(&mut self, value: Type, depth: u32) -> Decoded<()> {
        let depth = depth.checked_sub(1).ok_or(Damage::Invalid("its Thrift is nested too deeply"))?;
        match value {
            Type::True | Type::False | Type::Byte => self.byte().map(drop),
            Type::Integer => self.varint().map(drop),
            Type::Double => self.take(8).map(drop),
            Type::Uuid => self.take(16).map(drop),
            Type::Binary => self.binary().map(drop),
            Type::List => {
                let (element, count) = self.list()?;
                (0..count).try_for_each(|_| self.skip_element(element, depth))
            }
            Type::Map => self.skip_map(depth),
            Type::Struct => {
                let mut last = 0;
                while let Some((_, value)) = self.field(&mut last)? {
                    if !matches!(value, Type::True | Type::False) {
                        self.skip_element(value, depth)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn skip_map(&mut self, depth: u32) -> Decoded<()> {
        let count = self.varint()?;
        if count == 0 {
            return Ok(());
        }
        let types = self.byte()?;
        let (key, value) = (Type::from_code(types >> 4)?, Type::from_code(types & 0xf)?);
        (0..count).try_for_each(|_| {
            self.skip_element(key, depth)?;
            self.skip_element(value, depth)
        })
    }
}

/// Reads a list of structs. It has at most so many, because a struct of one byte on the wire may take a hundred in memory.
pub(super) fn structs<T>(
    reader: &mut Reader<'_>,
    most: usize,
    mut read: impl FnMut(&mut Reader<'_>) -> Decoded<T>,
) -> Decoded<Vec<T>> {
    let count = reader.struct_count(most)?;
    (0..count).map(|_| read(reader)).collect::<Decoded<Vec<T>>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_seven_bits_a_byte() {
        let integer = |bytes: &[u8]| Reader::new(bytes).integer();
        assert_eq!(integer(&[0]), Ok(0));
        assert_eq!(integer(&[1]), Ok(-1));
        assert_eq!(integer(&[0xac, 0x02]), Ok(150));
        assert_eq!(integer(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Ok(i64::MIN));
        assert_eq!(integer(&[0xff; 10]), Err(Damage::Invalid("a number has more than 64 bits")));
        assert_eq!(integer(&[0x80]), Err(Damage::Truncated));
        assert_eq!(Reader::new(&[1]).length(), Err(Damage::Invalid("a size is negative")));
    }

    #[test]
    fn a_list_has_at_most_the_remaining_bytes() {
        assert_eq!(Reader::new(&[0x38, 1, 2, 3]).list(), Ok((Type::Binary, 3)));
        assert_eq!(Reader::new(&[0x48, 1, 2, 3]).list(), Err(Damage::Truncated));
        assert_eq!(Reader::new(&[0xf8, 0xff, 0xff, 0xff, 0x7f, 1]).list(), Err(Damage::Truncated));
        assert_eq!(Reader::new(&[0]).list(), Ok((Type::Byte, 0)));
    }

    #[test]
    fn a_struct_is_skipped_whole() {
        // Field 1: true; field 2: a list of two Booleans; field 18: a map of one pair; field 19: a struct; field 20: a double.
        let bytes = [
            &[0x11, 0x19, 0x21, 1, 2][..],
            &[0x0b, 36, 1, 0x58, 7, 1, b'x'],
            &[0x1c, 0x15, 9, 0],
            &[0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99],
        ]
        .concat();
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.skip(Type::Struct), reader.position()), (Ok(()), bytes.len() - 1));
        for length in 0..bytes.len() - 1 {
            assert_eq!(Reader::new(&bytes[..length]).skip(Type::Struct), Err(Damage::Truncated), "{length}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = Damage::Invalid("its Thrift is nested too deeply");
        assert_eq!(Reader::new(&[0x1c; 100]).skip(Type::Struct), Err(nested));
        assert_eq!(Reader::new(&[0x19; 100]).skip(Type::List), Err(nested));
    }
}
