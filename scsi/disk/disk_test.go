package disk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/scsitest"
)

// TestHandler runs the checks that hold for every logical unit.
func TestHandler(t *testing.T) {
	for name, opts := range map[string]*disk.Options{
		"fixed":     nil,
		"removable": {Removable: true},
		"thick":     {NoThin: true, BlockSize: 4096},
		"read-only": {ReadOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			scsitest.TestHandler(t, func(t *testing.T) scsi.Handler {
				store, err := mem.NewWith(1<<20, &mem.Options{Volatile: true})
				require.NoError(t, err)
				return disk.New(store, opts)
			})
		})
	}
}
