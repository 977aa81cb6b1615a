package disk_test

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/scsitest"
)

// blocks is the capacity of most disks of these tests, in blocks of 512 bytes.
const blocks = 4096

// newRecorder adds a disk on a store to a recorder and ends both with the test.
func newRecorder(t testing.TB, store backstore.Backstore, opts *disk.Options) *scsitest.Recorder {
	t.Helper()
	return newRecorderOf(t, disk.New(store, opts))
}

func newRecorderOf(t testing.TB, d *disk.Disk) *scsitest.Recorder {
	t.Helper()
	r, err := scsitest.New(d, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// newMem is a store of 2 MiB in memory.
func newMem(t testing.TB, opts *mem.Options) *mem.Store {
	t.Helper()
	s, err := mem.NewWith(blocks*512, opts)
	require.NoError(t, err)
	return s
}

// cdb makes the CDB of a command of the table, named by operation code, with flags ORed
// into byte 1.
func cdb(op scsi.Opcode, lba uint64, n uint32, flags ...byte) []byte {
	b := scsi.AppendCDB(nil, scsi.Lookup(scsi.TypeDisk, []byte{byte(op), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), lba, n)
	for _, f := range flags {
		b[1] |= f
	}
	return b
}

// actionCDB is cdb for SERVICE ACTION IN(16).
func actionCDB(action uint16, lba uint64, n uint32) []byte {
	row := scsi.Lookup(scsi.TypeDisk, append([]byte{byte(scsi.OpServiceActionIn16), byte(action)}, make([]byte, 14)...))
	return scsi.AppendCDB(nil, row, lba, n)
}

// pattern is n bytes that depend on seed.
func pattern(seed byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i) + byte(i>>8)*31
	}
	return b
}

// contents reads all of a store.
func contents(t testing.TB, s backstore.Backstore) []byte {
	t.Helper()
	b := make([]byte, s.Geometry().Size)
	require.NoError(t, s.Readv(context.Background(), [][]byte{b}, 0))
	return b
}

// head reads the first n bytes of a store.
func head(t testing.TB, s backstore.Backstore, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	require.NoError(t, s.Readv(context.Background(), [][]byte{b}, 0))
	return b
}

// fill writes to a store behind the disk's back.
func fill(t testing.TB, s backstore.Backstore, b []byte, off int64) {
	t.Helper()
	require.NoError(t, s.Writev(context.Background(), [][]byte{b}, off))
}

// requireGood wants status GOOD.
func requireGood(t testing.TB, res scsitest.Result) {
	t.Helper()
	require.Equal(t, scsi.StatusGood, res.Status, "%v", res.Err)
}

// requireSense wants CHECK CONDITION with a sense code.
func requireSense(t testing.TB, want scsi.Sense, res scsitest.Result) {
	t.Helper()
	require.Equal(t, scsi.StatusCheckCondition, res.Status, "%v", res.Err)
	require.Equal(t, want, res.Code(), "%v", res.Err)
}

// requireField wants INVALID FIELD IN CDB that points at a byte and bit.
func requireField(t testing.TB, at, bit int, res scsitest.Result) {
	t.Helper()
	requireSense(t, scsi.InvalidFieldInCDB, res)
	require.NotNil(t, res.Sense.Field)
	require.False(t, res.Sense.Field.Data)
	require.Equal(t, at, int(res.Sense.Field.Byte))
	if bit >= 0 {
		require.True(t, res.Sense.Field.BitOK)
		require.Equal(t, bit, int(res.Sense.Field.Bit))
	}
}

// hooked is a store whose calls a test sees first, and may refuse.
type hooked struct {
	backstore.Passthrough
	mu   sync.Mutex
	hook func(call string) error // guarded by mu
}

func newHooked(s backstore.Backstore, hide backstore.Cap) *hooked {
	return &hooked{Passthrough: backstore.Passthrough{Inner: s, Hide: hide | backstore.CapLend}}
}

// set installs a hook; nil lets everything pass.
func (h *hooked) set(f func(call string) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hook = f
}

func (h *hooked) call(name string) error {
	h.mu.Lock()
	f := h.hook
	h.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(name)
}

func (h *hooked) Readv(ctx context.Context, iov [][]byte, off int64) error {
	if err := h.call("Readv"); err != nil {
		return err
	}
	return h.Passthrough.Readv(ctx, iov, off)
}

func (h *hooked) Writev(ctx context.Context, iov [][]byte, off int64) error {
	if err := h.call("Writev"); err != nil {
		return err
	}
	return h.Passthrough.Writev(ctx, iov, off)
}

func (h *hooked) TryReadv(iov [][]byte, off int64) error {
	if err := h.call("TryReadv"); err != nil {
		return err
	}
	return h.Passthrough.TryReadv(iov, off)
}

func (h *hooked) TryWritev(iov [][]byte, off int64) error {
	if err := h.call("TryWritev"); err != nil {
		return err
	}
	return h.Passthrough.TryWritev(iov, off)
}

func (h *hooked) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	if err := h.call("WritevFUA"); err != nil {
		return err
	}
	return h.Passthrough.WritevFUA(ctx, iov, off)
}

func (h *hooked) Flush(ctx context.Context, off, n int64) error {
	if err := h.call("Flush"); err != nil {
		return err
	}
	return h.Passthrough.Flush(ctx, off, n)
}

func (h *hooked) Unmap(ctx context.Context, e []backstore.Extent) error {
	if err := h.call("Unmap"); err != nil {
		return err
	}
	return h.Passthrough.Unmap(ctx, e)
}

func (h *hooked) WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error {
	if err := h.call("WriteZeroes"); err != nil {
		return err
	}
	return h.Passthrough.WriteZeroes(ctx, off, n, mayUnmap)
}

func (h *hooked) WriteSame(ctx context.Context, block []byte, off, n int64) error {
	if err := h.call("WriteSame"); err != nil {
		return err
	}
	return h.Passthrough.WriteSame(ctx, block, off, n)
}

func (h *hooked) AppendExtents(ctx context.Context, dst []backstore.MappedExtent, off, n int64) ([]backstore.MappedExtent, error) {
	if err := h.call("AppendExtents"); err != nil {
		return dst, err
	}
	return h.Passthrough.AppendExtents(ctx, dst, off, n)
}

// Verify and CompareAndWrite are abilities that mem lacks; Geometry adds them.
func (h *hooked) Verify(ctx context.Context, off, n int64) error {
	if err := h.call("Verify"); err != nil {
		return err
	}
	b := make([]byte, n)
	return h.Inner.Readv(ctx, [][]byte{b}, off)
}

func (h *hooked) CompareAndWrite(ctx context.Context, compare, write [][]byte, off int64) error {
	if err := h.call("CompareAndWrite"); err != nil {
		return err
	}
	want := bytes.Join(compare, nil)
	is := make([]byte, len(want))
	if err := h.Inner.Readv(ctx, [][]byte{is}, off); err != nil {
		return err
	}
	for i := range is {
		if is[i] != want[i] {
			return &backstore.MiscompareError{Offset: int64(i)}
		}
	}
	return h.Inner.Writev(ctx, write, off)
}

func (h *hooked) Geometry() backstore.Geometry {
	g := h.Passthrough.Geometry()
	g.Without &^= (backstore.CapVerify | backstore.CapCompareAndWrite) &^ h.Hide
	return g
}
