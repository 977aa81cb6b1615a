package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/block"
	"github.com/goscst/goscst/backstore/file"
	"github.com/goscst/goscst/backstore/uring"
	"github.com/goscst/goscst/internal/peers"
)

// parsed is the value of a flag that is right.
func parsed(t *testing.T, value string) lunSpec {
	t.Helper()
	s, err := parseLUN(value)
	require.NoError(t, err)
	return s
}

// TestRing: a file is made for a ring, and served as one where the system gives none.
func TestRing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	s := parsed(t, "uring:"+name+":1MiB")
	store, note, err := s.open()
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, store.Geometry().Size)
	switch store.(type) {
	case *uring.Store:
		require.Empty(t, note)
	case *file.Store:
		require.Contains(t, note, "without io_uring: uring: ")
	default:
		require.Fail(t, "another store")
	}
	require.NoError(t, store.Close())

	s = parsed(t, "uring:"+name)
	store, note, err = s.openRing(func(string, *uring.Options) (backstore.Backstore, error) {
		return nil, &uring.UnavailableError{Reason: "forbidden here"}
	})
	require.NoError(t, err)
	require.IsType(t, &file.Store{}, store)
	require.Equal(t, "without io_uring: uring: forbidden here", note)
	l := &lun{lunSpec: s, store: store, note: note}
	l.block = 512
	require.Equal(t, "uring "+name+" 1 MiB, blocks of 512 bytes (without io_uring: uring: forbidden here)", l.describe())
	require.NoError(t, store.Close())

	other := errors.New("another error")
	_, _, err = s.openRing(func(string, *uring.Options) (backstore.Backstore, error) { return nil, other })
	require.ErrorIs(t, err, other)
	s = parsed(t, "uring:"+name+"-not-there")
	store, _, err = s.open()
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Nil(t, store)
}

// TestBlock: a regular file is no device, and is not taken for one.
func TestBlock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, make([]byte, 1<<20), 0o600))
	s := parsed(t, "block:"+name)
	store, _, err := s.open()
	require.ErrorContains(t, err, name)
	require.Nil(t, store)
}

// TestDevice serves a loop device in both ways, and as one where the system gives no ring.
func TestDevice(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, make([]byte, 1<<20), 0o600))
	out, err := exec.Command("losetup", "--find", "--show", name).Output()
	if err != nil {
		peers.Missing(t, "a loop device: "+err.Error())
	}
	dev := strings.TrimSpace(string(out))
	defer func() { require.NoError(t, exec.Command("losetup", "--detach", dev).Run()) }()
	for _, value := range []string{"block:" + dev, "uring:" + dev, "uring:" + dev + ",direct"} {
		s := parsed(t, value)
		store, note, err := s.open()
		require.NoError(t, err, value)
		if note == "" {
			_, isFile := store.(*file.Store)
			require.False(t, isFile)
		}
		require.EqualValues(t, 1<<20, store.Geometry().Size)
		require.NoError(t, store.Close())
	}
	s := parsed(t, "uring:"+dev)
	store, note, err := s.openRing(func(string, *uring.Options) (backstore.Backstore, error) {
		return nil, &uring.UnavailableError{Reason: "forbidden here"}
	})
	require.NoError(t, err)
	require.IsType(t, &block.Store{}, store)
	require.Contains(t, note, "forbidden here")
	require.NoError(t, store.Close())
}
