//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package osfile

// Lock does nothing: the system has no flock.
func (f *File) Lock(bool, error) error { return nil }
