//! Guards against panics in decoders, which are third-party code that reads untrusted bytes. A panic must cost one image and
//! one log line, but neither a thread of the server nor a backtrace for each file.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder; `None` if it panicked.
pub(super) fn guarded<T>(decode: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let of_others = take_hook();
        set_hook(Box::new(move |panic| {
            if DECODING.get() {
                let place = panic.location().map(ToString::to_string);
                tracing::warn!(place, "a decoder panicked; the image is refused");
            } else {
                of_others(panic);
            }
        }));
    });
    let before = DECODING.replace(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(before);
    decoded.ok()
}
