//go:build !linux

package osfile

import "testing"

func prepare(*disk) {}

// refuseSyncWrites does nothing: the system has no durable writes anyway.
func refuseSyncWrites(*disk) {}

// joinFlushes does nothing: they always do.
func joinFlushes(*testing.T, *disk) {}
