package meta_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/file"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/iscsi"
	"github.com/goscst/goscst/fabric/iscsi/iscsitest"
	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/internal/meta"
	"github.com/goscst/goscst/internal/peers"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
	"github.com/goscst/goscst/sgv"
)

// setup is one way to build a disk and to reach it.
type setup struct {
	store     string
	workers   int
	pool      string
	transport string
}

func (s setup) String() string {
	return fmt.Sprintf("%s/%d/%s/%s", s.store, s.workers, s.pool, s.transport)
}

// The dimensions. Every set-up of a run has the same number of blocks.
var (
	stores     = []string{"mem", "file", "unmapped", "submit"}
	workers    = []int{1, 16}
	transports = []string{"local", "direct", "iscsi", "digests"}
	pools      = map[string]*sgv.Options{
		"default":  {},
		"uncached": {MaxCached: -1},
		"pages":    {SegmentSize: 4096},
		"fixed":    {FixedSize: 1 << 20},
	}
)

const targetName = "iqn.2026-11.com.example:meta"

// open makes the store of a set-up.
func (s setup) open(t testing.TB, d meta.Disk) backstore.Backstore {
	size := int64(d.Blocks) * int64(d.BlockSize)
	if s.store == "file" || s.store == "unmapped" {
		st, err := file.Open(filepath.Join(t.TempDir(), "disk.img"), &file.Options{
			Create: true, Size: size, BlockSize: d.BlockSize, NoMap: s.store == "unmapped",
		})
		require.NoError(t, err)
		if !backstore.Caps(st).Has(backstore.CapUnmap) {
			require.NoError(t, st.Close())
			peers.Missing(t, "a file system that can punch holes")
		}
		return st
	}
	m, err := mem.NewWith(size, &mem.Options{BlockSize: d.BlockSize, Volatile: true})
	require.NoError(t, err)
	switch s.store {
	case "submit":
		return newSubmitter(t, m)
	case "broken":
		return &forgetful{m}
	}
	return m
}

// forgetful loses what is written to its second half in one piece.
type forgetful struct{ *mem.Store }

// TryWritev implements backstore.NowaitIO.
func (f *forgetful) TryWritev(iov [][]byte, off int64) error {
	if off > f.Geometry().Size/2 && backstore.Len(iov) == 2048 {
		return nil
	}
	return f.Store.TryWritev(iov, off)
}

// submitter is a store in memory that completes what it is given elsewhere.
type submitter struct {
	*mem.Store
	ops chan *backstore.Op
	wg  sync.WaitGroup
}

func newSubmitter(t testing.TB, m *mem.Store) *submitter {
	s := &submitter{Store: m, ops: make(chan *backstore.Op, 1024)}
	for range 3 {
		s.wg.Go(func() {
			for o := range s.ops {
				o.Complete(s.do(o))
			}
		})
	}
	t.Cleanup(func() {
		close(s.ops)
		s.wg.Wait()
	})
	return s
}

// Submit implements backstore.Submitter.
func (s *submitter) Submit(o *backstore.Op) {
	select {
	case s.ops <- o:
	default:
		o.Complete(s.do(o))
	}
}

func (s *submitter) do(o *backstore.Op) error {
	ctx := o.Context()
	switch o.Kind {
	case backstore.OpRead:
		return s.Readv(ctx, o.Iov, o.Off)
	case backstore.OpWrite:
		if o.FUA {
			return s.WritevFUA(ctx, o.Iov, o.Off)
		}
		return s.Writev(ctx, o.Iov, o.Off)
	case backstore.OpFlush:
		return s.Flush(ctx, o.Off, o.Len)
	case backstore.OpUnmap:
		return s.Unmap(ctx, o.Extents)
	case backstore.OpZero:
		return s.WriteZeroes(ctx, o.Off, o.Len, o.MayUnmap)
	}
	return errors.ErrUnsupported
}

// run runs a list in a set-up and returns the transcript.
func (s setup) run(t testing.TB, d meta.Disk, list [][]meta.Op) []string {
	ctx := context.Background()
	pool := sgv.NewPool(pools[s.pool])
	e := engine.New(&engine.Options{Pool: pool})
	dev, err := e.AddDevice("disk", disk.New(s.open(t, d), nil), &engine.DeviceOptions{Workers: s.workers})
	require.NoError(t, err)
	tgt, err := e.AddTarget(targetName, nil)
	require.NoError(t, err)
	require.NoError(t, tgt.Map(0, dev, nil))
	tgt.Enable()
	exec, closeTransport := s.connect(t, e, tgt)
	for {
		a, err := exec(ctx, make([]byte, 6), nil, nil)
		require.NoError(t, err)
		if a.Status == scsi.StatusGood {
			break
		}
	}
	lines, err := meta.Run(ctx, list, exec)
	require.NoError(t, err)
	closeTransport()
	require.NoError(t, e.Close())
	require.NoError(t, pool.Close(), "buffers are left")
	return lines
}

// connect logs in over the set-up's transport.
func (s setup) connect(t testing.TB, e *engine.Engine, tgt *engine.Target) (exec meta.Exec, done func()) {
	ctx := context.Background()
	if s.transport == "local" || s.transport == "direct" {
		i, err := local.Login(ctx, tgt, &local.Options{Direct: s.transport == "direct"})
		require.NoError(t, err)
		exec = func(ctx context.Context, cdb, out, in []byte) (meta.Answer, error) {
			r, err := i.Do(ctx, 0, cdb, out, in)
			return meta.Answer{Status: r.Status, Sense: r.Sense, N: r.N, Residual: r.Residual}, ended(err)
		}
		return exec, func() { require.NoError(t, i.Close()) }
	}
	srv := &iscsi.Server{Engine: e}
	addr, err := srv.Listen("127.0.0.1:0")
	require.NoError(t, err)
	digests := s.transport == "digests"
	i, err := iscsitest.Login(ctx, addr.String(), &iscsitest.Options{
		Target: targetName, HeaderDigest: digests, DataDigest: digests,
	})
	require.NoError(t, err)
	exec = func(ctx context.Context, cdb, out, in []byte) (meta.Answer, error) {
		r, err := i.Do(ctx, 0, cdb, out, in)
		return meta.Answer{Status: r.Status, Sense: r.Sense, N: r.N, Residual: r.Residual}, ended(err)
	}
	return exec, func() {
		require.NoError(t, i.Close())
		require.NoError(t, srv.Close())
	}
}

// ended keeps the errors that are not the end of a command.
func ended(err error) error {
	var sense *scsi.SenseError
	var status scsi.StatusError
	if errors.As(err, &sense) || errors.As(err, &status) {
		return nil
	}
	return err
}
