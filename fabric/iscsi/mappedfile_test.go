package iscsi_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore/file"
	"github.com/goscst/goscst/fabric/iscsi/iscsitest"
	"github.com/goscst/goscst/scsi"
)

// TestFileIsCutBehindTheTarget: READs of what is gone may cost the initiator its connection, and
// never are GOOD; when it comes back it hears what is the matter.
func TestFileIsCutBehindTheTarget(t *testing.T) {
	for _, size := range []int64{4096, 384<<10 - 1024} { // before what is read, and in its last page
		t.Run(fmt.Sprint(size), func(t *testing.T) { testCut(t, size) })
	}
}

// testCut cuts a file of 1 MiB to size, of which 128 KiB from 256 KiB on are read.
func testCut(t *testing.T, size int64) {
	name := filepath.Join(t.TempDir(), "disk")
	store, err := file.Open(name, &file.Options{Create: true, Size: 1 << 20})
	require.NoError(t, err)
	data := bytes.Repeat([]byte("goscst.\n"), 1<<17)
	require.NoError(t, store.Writev(t.Context(), [][]byte{data}, 0))
	addr := serve(t, store)

	read := scsi.AppendRead16(nil, 512, 256)
	var i *iscsitest.Initiator
	attempt := func() ([]byte, error) {
		if i == nil {
			i, err = iscsitest.Login(t.Context(), addr.String(), &iscsitest.Options{Target: stackTarget})
			require.NoError(t, err)
			for range 4 { // unit attentions
				if _, err := i.Do(t.Context(), 0, make([]byte, 6), nil, nil); err == nil {
					break
				}
			}
		}
		in := make([]byte, 128<<10)
		_, err := i.Do(t.Context(), 0, read, nil, in)
		return in, err
	}
	in, err := attempt()
	require.NoError(t, err)
	require.True(t, bytes.Equal(data[:len(in)], in))

	require.NoError(t, os.Truncate(name, size))
	for {
		_, err := attempt()
		require.Error(t, err)
		var sense *scsi.SenseError
		if errors.As(err, &sense) {
			require.Equal(t, scsi.KeyMediumError, sense.Sense.Key())
			break
		}
		_ = i.Close() // the connection is gone
		i = nil
	}
	require.NoError(t, store.Refresh())
	require.NoError(t, store.Resize(1<<20))
	require.NoError(t, store.Writev(t.Context(), [][]byte{data}, 0))
	for {
		in, err = attempt()
		var sense *scsi.SenseError
		if errors.As(err, &sense) && sense.Sense.Key() == scsi.KeyUnitAttention { // of the new size
			continue
		}
		require.NoError(t, err)
		require.True(t, bytes.Equal(data[:len(in)], in))
		break
	}
	require.NoError(t, i.Close())
}
