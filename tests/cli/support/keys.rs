//! Everybody's key: ed25519, from a seed that is their name, so it is the same in each run.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ssh_key::private::{Ed25519Keypair, PrivateKey};

fn private_key(name: &str) -> PrivateKey {
    let mut seed = [0; 32];
    seed.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    key.set_comment(format!("{name}@laptop"));
    key
}

/// Returns the public key as OpenSSH writes it, with a comment.
pub(crate) fn public_key(name: &str) -> String {
    private_key(name).public_key().to_openssh().unwrap()
}

/// Writes the private half to `path`, and the public one beside it.
pub(crate) fn write_key(name: &str, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(private_key(name).to_openssh(ssh_key::LineEnding::LF).unwrap().as_bytes()).unwrap();
    fs::write(path.with_extension("pub"), format!("{}\n", public_key(name))).unwrap();
}
