package invariant

// Check panics with msg if cond is false and checks are enabled.
func Check(cond bool, msg string) {
	if Enabled && !cond {
		panic("invariant violated: " + msg)
	}
}
