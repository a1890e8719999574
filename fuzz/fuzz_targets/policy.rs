//! A policy's files: loading them returns, says the same every time, and does not care for their order.
//!
//! The input is files one after the other, each after a line `@ PATH`.

#![no_main]

use jit::core::policy::{PolicyFiles, declared_format, lint, load, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match (line.strip_prefix(b"@ "), files.last_mut()) {
            (Some(path), _) => files.push((String::from_utf8_lossy(path).trim_end().to_owned(), Vec::new())),
            (None, Some((_, content))) => content.extend_from_slice(line),
            (None, None) => {}
        }
    }
    let Ok(policy_files) = PolicyFiles::new(files.iter().cloned()) else { return };
    files.reverse();
    let reversed = PolicyFiles::new(files).expect("the same files in another order");
    assert_eq!(policy_files.digest(), reversed.digest());
    assert_eq!(declared_format(&policy_files), declared_format(&reversed));
    match (load(&policy_files), load(&reversed)) {
        (Ok(policy), Ok(other)) => {
            assert_eq!(format!("{policy:?}"), format!("{other:?}"), "two policies of the same files");
            assert_eq!(declared_format(&policy_files), Some(1), "it loads and is of another format");
            assert!((1..=policy.maintainers().len()).contains(&policy.threshold()));
            for finding in lint(&policy) {
                render(&finding, None);
            }
        }
        (Err(faults), Err(others)) => {
            assert!(!faults.is_empty(), "it does not load, for no reason");
            assert_eq!(format!("{faults:?}"), format!("{others:?}"), "two answers about the same files");
            for fault in &faults {
                let source = policy_files.iter().find(|(path, _)| fault.to_string().contains(path));
                let source = source.and_then(|(_, content)| std::str::from_utf8(content).ok());
                let shown = render(fault, source);
                assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "a file reaches the terminal raw");
            }
        }
        (one, other) => panic!("{one:?} and {other:?} of the same files"),
    }
});
