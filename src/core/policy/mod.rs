//! The policy language: TOML files that say who there is and who may have what, when and how long.
//!
//! A policy is a set of files ([`PolicyFiles`], with the digest that maintainers sign). [`load`] turns it into a
//! [`Policy`], or into everything that is wrong with it, of all files at once. Nothing is ignored: a key that is not
//! known is an error, and so is a part of the language that this version does not have. The order of files and of what
//! is in them never matters. [`lint`] says what loads and still deserves a look; [`render`] shows either to people.
//!
//! ```text
//! jit.toml            format, name, maintainers, threshold, revokers, check, request, defaults
//! identities/**.toml  [identity.NAME], [group.NAME], [rotation.NAME]
//! policies/**.toml    [rule.NAME]
//! targets/**.toml     not read here
//! tests/**.toml       [test.NAME], [assert.NAME]: read apart, since they never bear on loading
//! ```
//!
//! What loads is part of [`FORMAT`], limits included, so the corners are pinned by the tables in `tests/`. Decided
//! where the language's description leaves it open:
//!
//! - Lists are never empty, but for `keys` and `revokers`, where none is a sensible number. No list has an entry twice.
//! - `"*"` stands alone in `actions`.
//! - `person:*` and `service:*` stand in `subjects` and `from`, and in no other list.
//! - `defaults = { duration, reason }` in jit.toml holds for all allow rules: a rule's `max` is never above that of
//!   `defaults`, which it has where it names none; a reason has to satisfy both.
//! - A group that contains itself, directly or by way of others, is an error.
//! - A rotation stands in `subjects`, `from` and `revokers`, beside the groups; never in a group, nor in a lockdown, whose
//!   signed form has only names and groups. Whom it means, and when that is asked, `rotation.rs` says.
//! - Keys of one identity may share a point (a security key under two applications); keys of two may not.
//! - At most 4 MiB in one file, 1,000,000 memberships in all groups, 64 entries of `approvals` of up to 1,000 people, 64
//!   entries of `hours`, limits of up to 1,000 grants, and 1,000 different reason patterns of up to 1,024 bytes (1 MiB compiled).
//!
//! Start reading at `load.rs`; `loaded.rs` and `model.rs` are what everything else uses.

mod cases;
mod diagnostic;
mod files;
mod findings;
mod groups;
mod hours;
mod identities;
mod kept;
mod lint;
mod load;
mod loaded;
mod model;
mod rotation;
mod rules;
mod schema;
mod settings;
mod syntax;
#[cfg(test)]
mod tests;

pub use cases::{Assertion, Case, Claim, Earlier, GivenApproval, Place, Tests, read_tests};
pub use diagnostic::{Check, Diagnostic, Kind, Severity, Span, escape, render};
pub use files::{FOLDERS, FilesError, MAX_FILES, MAX_TOTAL_BYTES, PolicyFiles, SETTINGS, is_policy_path};
pub(crate) use files::{digest_of, is_policy_file, is_policy_folder};
pub use findings::{did_you_mean, nearest};
pub use hours::{Days, Hours, TimeOfDay, any_contain, next_change};
pub use kept::{Keeper, Piece};
pub use lint::lint;
pub use load::{declared_format, load};
pub use loaded::Policy;
pub use model::{
    Actions, Allow, ApprovalRule, Effect, Identity, IdentityKind, Limits, Rate, ReasonPattern, ReasonRefusal,
    ReasonRule, Rule, Selector,
};
pub use rotation::{Override, Rotation};
pub use schema::Schema;

/// The format of policies that this program knows.
pub const FORMAT: u64 = 1;

/// The folder of people, services and groups.
const IDENTITIES: &str = "identities/";
/// The folder of rules.
const POLICIES: &str = "policies/";
