// SPDX-License-Identifier: GPL-2.0

//! Tests of `kernel/isolation/quiet.c` against the policy.
//!
//! C header: [`include/linux/task_isolation.h`](srctree/include/linux/task_isolation.h).

use kernel::{
    bindings,
    prelude::*, //
};

use crate::policy::{
    left::Left,
    mask::Quiesce,
    quiet::Seen, //
};

const _: () = {
    use bindings::*;
    assert!(Seen::TRACED.bits() == task_isol_seen_TASK_ISOL_SEEN_TRACED);
    assert!(Seen::STOPPED.bits() == task_isol_seen_TASK_ISOL_SEEN_STOPPED);
    assert!(Seen::TICK_PENDING.bits() == task_isol_seen_TASK_ISOL_SEEN_TICK_PENDING);
    assert!(Seen::NOHZ_FULL.bits() == task_isol_seen_TASK_ISOL_SEEN_NOHZ_FULL);
    assert!(Seen::DOMAIN_ISOLATED.bits() == task_isol_seen_TASK_ISOL_SEEN_DOMAIN_ISOLATED);
    assert!(Seen::DEFERRED.bits() == task_isol_seen_TASK_ISOL_SEEN_DEFERRED);
    assert!(Seen::VMSTAT_SETTLED.bits() == task_isol_seen_TASK_ISOL_SEEN_VMSTAT_SETTLED);
    assert!(Seen::LRU_PENDING.bits() == task_isol_seen_TASK_ISOL_SEEN_LRU_PENDING);
};

/// What C decides where `seen` is the case.
fn quiet_as_told(actions: Quiesce, left: Left, seen: Seen) -> bool {
    // SAFETY: Always safe to call.
    unsafe { bindings::task_isol_quiet_as_told(actions.bits(), left.bits(), seen.bits()) }
}

/// What keeps the tick, or interrupts, and `tick_sched_pending()` does not see, a bit each.
fn pending_unseen() -> c_uint {
    // SAFETY: Always safe to call.
    unsafe { bindings::task_isol_pending_unseen() }
}

#[kunit_tests(task_isolation_quiet_c)]
mod tests {
    use super::*;
    use crate::policy::quiet::{
        for_all,
        is_quiet, //
    };

    #[test]
    fn c_has_the_same_rules() {
        for_all(|actions, left, seen| {
            assert_eq!(
                quiet_as_told(actions, left, seen),
                is_quiet(actions, left, seen)
            );
        });
    }

    #[test]
    fn all_that_keeps_the_tick_is_seen() {
        assert_eq!(pending_unseen(), 0);
    }
}
