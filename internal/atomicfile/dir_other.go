//go:build !unix

package atomicfile

// syncDir does nothing: the system has no way to flush a directory, and its rename is journalled.
func syncDir(string) error { return nil }
