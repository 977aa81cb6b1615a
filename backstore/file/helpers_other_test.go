//go:build !linux

package file

// haveVectors: vectors go to the system as they are.
const haveVectors = false

// refuseSyncWrites does nothing: the system has no durable writes anyway.
func (s *Store) refuseSyncWrites() {}
