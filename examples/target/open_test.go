package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/block"
	"github.com/goscst/goscst/backstore/file"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/backstore/uring"
	"github.com/goscst/goscst/fabric/local"
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
	store, note, err := s.open(nil)
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
	store, note, err = s.openRing(nil, func(string, *uring.Options) (backstore.Backstore, error) {
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
	_, _, err = s.openRing(nil, func(string, *uring.Options) (backstore.Backstore, error) { return nil, other })
	require.ErrorIs(t, err, other)
	s = parsed(t, "uring:"+name+"-not-there")
	store, _, err = s.open(nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Nil(t, store)
}

// TestArena: a disk with an arena is served from it, and everything is given back.
func TestArena(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	c, err := parseFlags([]string{"-listen", "127.0.0.1:0", "-lun", "uring:" + name + ":1MiB,arena=4MiB"}, io.Discard)
	require.NoError(t, err)
	p, err := start(c, zap.NewNop())
	require.NoError(t, err)
	l := p.luns[0]
	require.NotNil(t, l.arena)
	tgt, ok := p.engine.Target(c.iqn)
	require.True(t, ok)
	i, err := local.Login(t.Context(), tgt, nil)
	require.NoError(t, err)
	d, err := i.Disk(t.Context(), 0)
	require.NoError(t, err)
	want := bytes.Repeat([]byte("arena 16 bytes. "), 4096)
	_, err = d.WriteAt(want, 4096)
	require.NoError(t, err)
	got := make([]byte, len(want))
	_, err = d.ReadAt(got, 4096)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Positive(t, l.pool.Stats().Misses)
	require.NoError(t, i.Close())
	require.NoError(t, p.end())
	require.NoError(t, l.arena.Close(), "it is closed already")
}

// TestArenaIsRefused: where the system does not let an arena be registered, the ring goes without.
func TestArenaIsRefused(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, make([]byte, 1<<20), 0o600))
	s := parsed(t, "uring:"+name+",arena=2MiB")
	var tries []*uring.Arena
	ring := mem.New(1 << 20)
	store, note, err := s.openRing(&uring.Arena{}, func(_ string, o *uring.Options) (backstore.Backstore, error) {
		if tries = append(tries, o.Arena); o.Arena != nil {
			return nil, &uring.UnavailableError{Reason: "too little may be locked"}
		}
		return ring, nil
	})
	require.NoError(t, err)
	require.Same(t, ring, store)
	require.Equal(t, "without arena: uring: too little may be locked", note)
	require.Len(t, tries, 2)
	require.NoError(t, store.Close())
}

// TestBlock: a regular file is no device, and is not taken for one.
func TestBlock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, make([]byte, 1<<20), 0o600))
	s := parsed(t, "block:"+name)
	store, _, err := s.open(nil)
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
		store, note, err := s.open(nil)
		require.NoError(t, err, value)
		if note == "" {
			_, isFile := store.(*file.Store)
			require.False(t, isFile)
		}
		require.EqualValues(t, 1<<20, store.Geometry().Size)
		require.NoError(t, store.Close())
	}
	s := parsed(t, "uring:"+dev)
	store, note, err := s.openRing(nil, func(string, *uring.Options) (backstore.Backstore, error) {
		return nil, &uring.UnavailableError{Reason: "forbidden here"}
	})
	require.NoError(t, err)
	require.IsType(t, &block.Store{}, store)
	require.Contains(t, note, "forbidden here")
	require.NoError(t, store.Close())
}
