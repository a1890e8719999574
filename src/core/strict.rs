//! The one check of an Ed25519 signature: it takes what ed25519-dalek's `verify_strict` takes, for a tenth less time.
//!
//! `verify_strict` takes a signature (R, s) by A over a message where
//!
//! 1. s is below the order of the group,
//! 2. R decompresses, and is not of small order,
//! 3. A is not of small order,
//! 4. the point R' = s·B − k·A, compressed, is byte for byte R, with k = SHA-512(R, A, message) modulo the order.
//!
//! `verify` asks for 1 and 4 by the same code, and 4 leaves little of 2: the bytes of R are those of a point, R', in its
//! one canonical form, so they decompress, and to R'. What is left is that R' is not of small order, and there are eight
//! such points, so it is enough that R is none of their eight canonical forms. 3 is known of every [`Point`]. So R is never
//! decompressed, which is a square root for each signature; the tests hold this against `verify_strict` itself.

use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};

/// A point that may sign: on the curve, in its one canonical form, and not of small order (a signature by such a one can
/// fit every message).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Point(VerifyingKey);

impl Point {
    /// Finds the point on the curve; none if there is no such point, or it may not sign.
    pub(super) fn read(bytes: &[u8; 32]) -> Option<Point> {
        let point = VerifyingKey::from_bytes(bytes).ok()?;
        (!point.is_weak() && is_canonical(bytes)).then_some(Point(point))
    }

    /// Tells whether a signature over `message` fits, strictly.
    pub(super) fn fits(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        !is_small_order(signature.r_bytes()) && self.0.verify(message, &signature).is_ok()
    }
}

/// The y coordinates of the eight points of small order: one of the neutral point, one of that of order two, one of the two
/// of order four, two of the four of order eight.
const SMALL_ORDER: [[u8; 32]; 5] = [
    with_ends(0x01, 0x00, 0x00),
    with_ends(0xec, 0xff, 0x7f),
    with_ends(0x00, 0x00, 0x00),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

const fn with_ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    [bytes[0], bytes[31]] = [first, last];
    bytes
}

/// Tells whether these are the y coordinate of a point of small order, in its canonical form, with either sign of x. Where
/// x is 0 only one of them is a canonical form, and the other fits nothing.
fn is_small_order(bytes: &[u8; 32]) -> bool {
    let mut y = *bytes;
    let [.., high] = &mut y;
    *high &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// Tells whether the y coordinate is below the field's prime, 2^255 - 19 (RFC 8032 §5.1.3).
fn is_canonical(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    let all_ones = high & 0x7f == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    !(all_ones && *low >= 0xed)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::{EdwardsPoint, Scalar};
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha512};

    use super::*;

    /// The order of the group, little-endian (RFC 8032 §5.1).
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    /// What each check says of a signature.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct Said {
        lax: bool,
        strict: bool,
    }

    /// Asks for the signature (r, s) by `a`, and holds ours against `verify_strict`.
    fn ask(a: [u8; 32], message: &[u8], (r, s): ([u8; 32], [u8; 32])) -> Said {
        let signature = Signature::from_components(r, s);
        let dalek = VerifyingKey::from_bytes(&a).ok();
        let lax = dalek.is_some_and(|key| key.verify(message, &signature).is_ok());
        // That a key has one form only is asked beyond what `verify_strict` asks.
        let is_one_form = |key: &VerifyingKey| key.to_edwards().compress().0 == a;
        let strict = dalek.filter(is_one_form).is_some_and(|key| key.verify_strict(message, &signature).is_ok());
        let ours = Point::read(&a).is_some_and(|point| point.fits(message, &signature.to_bytes()));
        assert_eq!(ours, strict, "A {a:02x?}, R {r:02x?}, s {s:02x?}, message {message:02x?}");
        Said { lax, strict }
    }

    /// All 14 forms of the points of small order that decompress: the eight canonical ones first.
    fn small_order_forms() -> Vec<[u8; 32]> {
        let mut forms = EIGHT_TORSION.map(|point| point.compress().0).to_vec();
        for (low, middle, high) in [(0x01, 0, 0x80), (0xec, 0xff, 0xff), (0xed, 0xff, 0x7f), (0xed, 0xff, 0xff)] {
            forms.push(with_ends(low, middle, high));
        }
        forms.extend([with_ends(0xee, 0xff, 0x7f), with_ends(0xee, 0xff, 0xff)]);
        for (number, form) in forms.iter().enumerate() {
            let key = VerifyingKey::from_bytes(form).unwrap();
            assert!(key.is_weak() && (key.to_edwards().compress().0 == *form) == (number < 8), "{form:02x?}");
        }
        forms
    }

    fn scalar(seed: u64) -> Scalar {
        Scalar::from_bytes_mod_order_wide(&Sha512::digest(seed.to_le_bytes()).into())
    }

    /// k of the equation.
    fn challenge(r: &[u8; 32], a: &[u8; 32], message: &[u8]) -> Scalar {
        let hash = Sha512::new().chain_update(r).chain_update(a).chain_update(message);
        Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
    }

    #[test]
    fn a_point_of_small_order_is_told_by_its_bytes() {
        let mut canonical = EIGHT_TORSION.map(|point| point.compress().0);
        assert!(canonical.iter().all(is_small_order));
        canonical.iter_mut().for_each(|form| form[31] &= 0x7f);
        assert_eq!(canonical.iter().collect::<std::collections::BTreeSet<_>>(), SMALL_ORDER.iter().collect());
        for seed in 0..64 {
            assert!(!is_small_order(&EdwardsPoint::mul_base(&scalar(seed)).compress().0));
        }
    }

    /// Whoever holds a key a·B + T finds, for every R of small order, a message and s = k·a with which the equation holds,
    /// where R is written as the canonical form of −k·T. Only that R is of small order speaks against it.
    #[test]
    fn no_r_of_small_order_is_taken() {
        let (forms, secret) = (small_order_forms(), scalar(1));
        for torsion in EIGHT_TORSION {
            let key = EdwardsPoint::mul_base(&secret) + torsion;
            let a = key.compress().0;
            let mut taken = [0; 14];
            for (r, taken) in forms.iter().zip(&mut taken) {
                for message in 0..64_u8 {
                    let k = challenge(r, &a, &[message]);
                    let said = ask(a, &[message], (*r, (k * secret).to_bytes()));
                    assert!(!said.strict);
                    *taken += u32::from(said.lax);
                    // Nor with s = 0, which fits where the key is of small order itself.
                    assert!(!ask(a, &[message], (*r, [0; 32])).strict);
                }
            }
            let reached = EIGHT_TORSION.map(|point| (0..8_u64).any(|times| Scalar::from(times) * torsion == -point));
            assert_eq!(taken.map(|times| times > 0).to_vec(), [&reached[..], &[false; 6]].concat());
        }
    }

    #[test]
    fn no_key_of_small_order_signs() {
        let forms = small_order_forms();
        let nonce = scalar(2);
        let honest = EdwardsPoint::mul_base(&nonce).compress().0;
        let mut taken = 0;
        for a in &forms {
            for message in 0..64_u8 {
                for r in forms.iter().chain([&honest]) {
                    for s in [[0; 32], nonce.to_bytes()] {
                        let said = ask(*a, &[message], (*r, s));
                        assert!(!said.strict);
                        taken += u32::from(said.lax);
                    }
                }
            }
        }
        assert!(taken > 1000, "the lax check took {taken} of them");
    }

    /// Keys and Rs with a part of small order: whether the parts cancel out is up to k, and where they do, both take it.
    #[test]
    fn points_of_mixed_order_are_taken_where_the_equation_holds() {
        let (secret, nonce) = (scalar(3), scalar(4));
        let (mut taken, mut refused) = (0, 0);
        for torsion in EIGHT_TORSION {
            let a = (EdwardsPoint::mul_base(&secret) + torsion).compress().0;
            for of_r in EIGHT_TORSION {
                let r = (EdwardsPoint::mul_base(&nonce) + of_r).compress().0;
                for message in 0..16_u8 {
                    let s = nonce + challenge(&r, &a, &[message]) * secret;
                    let said = ask(a, &[message], (r, s.to_bytes()));
                    assert_eq!(said.lax, said.strict);
                    *(if said.strict { &mut taken } else { &mut refused }) += 1;
                    let s = s + Scalar::ONE;
                    assert!(!ask(a, &[message], (r, s.to_bytes())).strict);
                }
            }
        }
        assert!(taken > 16 && refused > 16, "{taken} taken, {refused} refused");
    }

    #[test]
    fn a_key_has_one_form() {
        // 2^255 - 16 is 3 written in a second form; 3 itself is the y of a point of large order.
        for (form, is_first) in [(with_ends(0x03, 0, 0), true), (with_ends(0xf0, 0xff, 0x7f), false)] {
            assert!(VerifyingKey::from_bytes(&form).is_ok_and(|key| !key.is_weak()));
            assert_eq!(Point::read(&form).is_some(), is_first, "{form:02x?}");
        }
    }

    proptest! {
        #[test]
        fn what_verify_strict_says(
            secret: u64,
            nonce: u64,
            torsions in (0..8_usize, 0..8_usize),
            message: Vec<u8>,
            other: [u8; 32],
            flip in 0..512_usize,
        ) {
            let (secret, nonce) = (scalar(secret), scalar(nonce));
            for (of_a, of_r) in [(0, 0), torsions] {
                let a = (EdwardsPoint::mul_base(&secret) + EIGHT_TORSION[of_a]).compress().0;
                let r = (EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[of_r]).compress().0;
                let s = (nonce + challenge(&r, &a, &message) * secret).to_bytes();
                let said = ask(a, &message, (r, s));
                prop_assert!(said.strict || (of_a, of_r) != (0, 0), "honest");
                // Another form of s.
                let mut carry = 0;
                let sum: Vec<u8> = s.iter().zip(ORDER).map(|(one, other)| {
                    let sum = u16::from(*one) + u16::from(other) + carry;
                    carry = sum >> 8;
                    sum.to_le_bytes()[0]
                }).collect();
                prop_assert!(!ask(a, &message, (r, sum.try_into().unwrap())).lax);
                // One bit of R, s or A; something else for each.
                let (mut near_r, mut near_s, mut near_a) = (r, s, a);
                let bit = 1 << (flip % 8);
                near_a[flip / 8 % 32] ^= bit;
                (if flip < 256 { &mut near_r } else { &mut near_s })[flip / 8 % 32] ^= bit;
                for (a, r, s) in [(a, near_r, near_s), (near_a, r, s), (a, other, s), (a, r, other), (other, r, s)] {
                    prop_assert!(!ask(a, &message, (r, s)).strict);
                }
                prop_assert!(!ask(a, &[&message[..], &[0]].concat(), (r, s)).strict);
            }
        }
    }
}
