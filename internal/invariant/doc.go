// Package invariant checks what the code relies on, in builds with -tags scsidebug only. It is for
// conditions that no input may break: a failed check panics, because the program is wrong.
//
// A check whose arguments cost something is guarded by [Enabled], so that it vanishes from other
// builds:
//
//	if invariant.Enabled {
//		invariant.Check(q.len() == n, "queue length differs from its counter")
//	}
//
// Every package may import it; it imports nothing.
package invariant
