//! The resources that a request holds until its answer is sent: shares of the byte budgets that its calls took.

use std::sync::Arc;

use parking_lot::Mutex;

use super::byte_share::ByteShare;

tokio::task_local! {
    static HELD: Held;
}

/// The shares of one request; all are released when the last clone is dropped.
#[derive(Debug, Clone, Default)]
pub struct Held(Arc<Mutex<Vec<ByteShare>>>);

impl Held {
    /// Runs a request; what it holds goes into `self`.
    pub async fn during<F: Future>(&self, request: F) -> F::Output {
        HELD.scope(self.clone(), request).await
    }
}

/// Shrinks the share of the current request to this many bytes: its answer is written, and only the answer remains.
pub fn shrink_to(bytes: usize) {
    let _ = HELD.try_with(|held| {
        let mut left = bytes;
        let mut shares = held.0.lock();
        for share in shares.iter_mut() {
            let kept = share.bytes().min(left);
            left -= kept;
            // It becomes smaller, which cannot fail.
            let _ = share.resize(kept);
        }
    });
}

/// Keeps a share until the answer of the current request is sent. Without a request, for example in a test, it is released
/// at once.
pub fn until_taken(share: ByteShare) {
    let _ = HELD.try_with(|held| {
        held.0.lock().push(share);
    });
}
