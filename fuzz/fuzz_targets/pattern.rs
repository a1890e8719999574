//! A pattern and a resource, a line each: reading and showing undo each other, and matching agrees with a matcher that
//! tries everything.

#![no_main]

use jit::core::name::Resource;
use jit::core::pattern::Pattern;
use libfuzzer_sys::fuzz_target;

/// Longer ones would keep the matcher that tries everything busy for ever.
const SHORT: usize = 48;

fuzz_target!(|text: &str| {
    let (pattern, resource) = text.split_once('\n').unwrap_or((text, ""));
    let pattern_read = pattern.parse::<Pattern>();
    let resource_read = resource.parse::<Resource>();
    if let Ok(read) = &pattern_read {
        assert_eq!(read.to_string(), pattern);
    }
    if let Ok(read) = &resource_read {
        assert_eq!(read.to_string(), resource);
        let itself: Pattern = resource.parse().expect("each resource is a pattern");
        assert!(itself.matches(read), "a resource does not match itself");
    }
    if let (Ok(read), Ok(resource_read)) = (pattern_read, resource_read) {
        let matches = read.matches(&resource_read);
        if text.len() <= SHORT {
            let globs: Vec<&str> = pattern.split('/').collect();
            let segments: Vec<&str> = resource.split('/').collect();
            assert_eq!(matches, segments_match(&globs, &segments), "{pattern} and {resource}");
        }
    }
});

fn segments_match(globs: &[&str], segments: &[&str]) -> bool {
    match (globs, segments) {
        ([], []) => true,
        (["**", rest @ ..], _) => (0..=segments.len()).any(|skipped| segments_match(rest, &segments[skipped..])),
        ([glob, globs @ ..], [segment, segments @ ..]) => {
            characters_match(glob.as_bytes(), segment.as_bytes()) && segments_match(globs, segments)
        }
        ([], _) | (_, []) => false,
    }
}

fn characters_match(glob: &[u8], segment: &[u8]) -> bool {
    match (glob, segment) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=segment.len()).any(|skipped| characters_match(rest, &segment[skipped..])),
        ([one, glob @ ..], [other, segment @ ..]) => one == other && characters_match(glob, segment),
        ([], _) | (_, []) => false,
    }
}
