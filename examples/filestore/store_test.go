package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/scsi/engine"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestConformance is what a store needs to be trusted.
func TestConformance(t *testing.T) {
	backstoretest.RunWith(t, func(t *testing.T) backstore.Backstore {
		s, err := Open(filepath.Join(t.TempDir(), "disk.img"), 1<<20)
		require.NoError(t, err)
		return s
	}, &backstoretest.Options{
		WholeReads: true,
		Reopen: func(t *testing.T, b backstore.Backstore) backstore.Backstore {
			require.NoError(t, b.Close())
			s, err := Open(b.(*Store).f.Name(), 1<<20)
			require.NoError(t, err)
			return s
		},
	})
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(dir, 1<<20)
	require.Error(t, err)
	_, err = Open(filepath.Join(dir, "disk.img"), 1000)
	require.ErrorContains(t, err, "size 1000")
}

// TestDiskOnStore writes through the whole stack and finds it in the file.
func TestDiskOnStore(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk.img")
	eng := engine.New(nil)
	require.NoError(t, export(eng, name))
	tgt, ok := eng.Target("iqn.2026-11.com.example:filestore")
	require.True(t, ok)
	ini, err := local.Login(t.Context(), tgt, nil)
	require.NoError(t, err)
	d, err := ini.Disk(t.Context(), 0)
	require.NoError(t, err)
	require.EqualValues(t, size, d.Size())
	want := bytes.Repeat([]byte("goscst"), 10000)
	_, err = d.WriteAt(want, 12345)
	require.NoError(t, err)
	require.NoError(t, d.Sync(t.Context()))
	got := make([]byte, len(want))
	_, err = d.ReadAt(got, 12345)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, ini.Close())
	require.NoError(t, eng.Close())
	image, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, want, image[12345:12345+len(want)])
}

func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	name := filepath.Join(t.TempDir(), "disk.img")
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, name, "127.0.0.1:0", w) }()
	line := make([]byte, 200)
	n, err := r.Read(line)
	require.NoError(t, err)
	require.Contains(t, string(line[:n]), "serving "+name+" at 127.0.0.1:")
	cancel()
	require.NoError(t, <-done)
	require.ErrorContains(t, run(t.Context(), t.TempDir(), "127.0.0.1:0", io.Discard), "is a directory")
	require.Error(t, run(t.Context(), name, "nowhere", io.Discard))
}
