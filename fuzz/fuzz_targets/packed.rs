//! A packed request, as it stands in an index that may be damaged: whatever reads is packed again as a request that reads.

#![no_main]

use jit::core::packed::{NoLines, Words, pack, unpack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(record) = unpack(bytes, &Words::none(), &NoLines) else { return };
    let again = pack(&record, &mut Words::none(), &NoLines);
    assert_eq!(unpack(&again, &Words::none(), &NoLines).as_ref(), Ok(&record), "packed by itself");
    let mut words = Words::shared();
    let again = pack(&record, &mut words, &NoLines);
    assert_eq!(unpack(&again, &words, &NoLines), Ok(record), "packed with others");
});
