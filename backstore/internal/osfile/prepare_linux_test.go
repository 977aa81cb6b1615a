package osfile

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// prepare fills in what the file of a disk has only here.
func prepare(d *disk) { d.BlockSize = 512 }

// refuseSyncWrites has the system not know durable writes.
func refuseSyncWrites(d *disk) { d.noSyncWrite.Store(true) }

// joinFlushes makes flushes work on the file of durable writes, as where it cannot be opened again.
func joinFlushes(t *testing.T, d *disk) {
	t.Helper()
	require.NoError(t, d.again.Close())
	d.again, d.SyncFD = nil, d.FD
}
