//go:build !linux

package osfile

func prepare(*disk) {}

// refuseSyncWrites does nothing: the system has no durable writes anyway.
func refuseSyncWrites(*disk) {}
