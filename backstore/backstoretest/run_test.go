package backstoretest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
)

// broken are stores with one fault each, and the check that must find it.
var broken = map[string]struct {
	finds string // the subtest that fails
	make  func(m *mem.Store) backstore.Backstore
	opts  Options
}{
	"forgets the end of a vector": {"Vectors", func(m *mem.Store) backstore.Backstore { return &shortVector{whole(m)} }, Options{}},
	"off by one block":            {"Patterns", func(m *mem.Store) backstore.Backstore { return &shifted{bare{m}} }, Options{}},
	"keeps what it is given":      {"IovNotKept", func(m *mem.Store) backstore.Backstore { return &keeper{Backstore: m} }, Options{}},
	"edits the vector":            {"IovNotKept", func(m *mem.Store) backstore.Backstore { return &editor{bare{m}} }, Options{}},
	"no bounds":                   {"Bounds", func(m *mem.Store) backstore.Backstore { return &boundless{bare{m}} }, Options{}},
	"second close fails":          {"Close", func(m *mem.Store) backstore.Backstore { return &closeOnce{Backstore: m} }, Options{}},
	"volatile without flush":      {"Geometry", func(m *mem.Store) backstore.Backstore { return &volatileOnly{bare{m}} }, Options{}},
	"unmap leaves data":           {"Abilities/Unmap", func(m *mem.Store) backstore.Backstore { return &lazyUnmap{whole(m)} }, Options{}},
	"zeroes too much":             {"Abilities/Zero", func(m *mem.Store) backstore.Backstore { return &greedyZero{whole(m)} }, Options{}},
	"lends other memory":          {"Abilities/LendMapped", func(m *mem.Store) backstore.Backstore { return &lateLender{Backstore: m, late: 1} }, Options{}},
	"lends too late":              {"Abilities/LendMapped", func(m *mem.Store) backstore.Backstore { return &lateLender{Backstore: m, old: true} }, Options{}},
	"lends live memory":           {"Abilities/Lend", func(m *mem.Store) backstore.Backstore { return &liveLender{Backstore: m} }, Options{}},
	"never lends":                 {"Abilities/Lend$", func(m *mem.Store) backstore.Backstore { return &miser{Backstore: m} }, Options{}},
	"never lends what is mapped":  {"Abilities/LendMapped", func(m *mem.Store) backstore.Backstore { return &mappedMiser{Backstore: m} }, Options{}},
	"never finds itself intact":   {"Abilities/LendMapped", func(m *mem.Store) backstore.Backstore { return &doubter{lateLender{Backstore: m}} }, Options{}},
	"wrong miscompare offset":     {"Abilities/CompareAndWrite", func(m *mem.Store) backstore.Backstore { return &badCompare{bare{m}} }, Options{}},
	"moves, then would block":     {"Abilities/Nowait", func(m *mem.Store) backstore.Backstore { return &hasty{whole(m)} }, Options{}},
	"extents with gaps":           {"Abilities/Extents", func(m *mem.Store) backstore.Backstore { return &gaps{whole(m)} }, Options{}},
	"flush does nothing": {"Durability/Flush", func(m *mem.Store) backstore.Backstore { return forward(m) }, Options{
		PowerCut: func(t *testing.T, b backstore.Backstore) backstore.Backstore {
			g := b.Geometry()
			_ = b.Close()
			return mem.New(g.Size)
		},
	}},
}

const brokenEnv = "BACKSTORETEST_BROKEN"

// TestFindsFaults runs the suite on each broken store, in a process of its own because the suite
// then fails, and expects the right check to fail.
func TestFindsFaults(t *testing.T) {
	if name := os.Getenv(brokenEnv); name != "" {
		b := broken[name]
		opts := b.opts
		opts.Ops = 60
		RunWith(t, func(*testing.T) backstore.Backstore { return b.make(mem.New(1 << 20)) }, &opts)
		return
	}
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestFindsFaults$/^"+b.finds, "-test.v")
			cmd.Env = append(os.Environ(), brokenEnv+"="+name)
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "the suite passes a broken store")
			require.Contains(t, string(out), "--- FAIL: TestFindsFaults/"+strings.TrimSuffix(b.finds, "$")+" (")
			require.NotContains(t, string(out), "panic:")
		})
	}
}

// TestPassesGoodStore: the same store without a fault passes.
func TestPassesGoodStore(t *testing.T) {
	RunWith(t, func(*testing.T) backstore.Backstore { return forward(mem.New(1 << 20)) }, &Options{Ops: 30})
}

// whole forwards all abilities, bare none.
func whole(m *mem.Store) backstore.Passthrough { return backstore.Passthrough{Inner: m} }

func forward(m *mem.Store) backstore.Backstore {
	p := whole(m)
	return &p
}

type bare struct{ backstore.Backstore }

type shortVector struct{ backstore.Passthrough }

func (s *shortVector) Readv(ctx context.Context, iov [][]byte, off int64) error {
	if len(iov) > 3 {
		n := backstore.Len(iov[:3]) &^ 511
		b := make([]byte, n)
		if err := s.Inner.Readv(ctx, [][]byte{b}, off); err != nil {
			return err
		}
		for i := range 3 {
			b = b[copy(iov[i], b):]
		}
		return nil
	}
	return s.Inner.Readv(ctx, iov, off)
}

type shifted struct{ bare }

func (s *shifted) Writev(ctx context.Context, iov [][]byte, off int64) error {
	if off > 4096 && off+backstore.Len(iov)+512 <= s.Geometry().Size {
		off += 512
	}
	return s.Backstore.Writev(ctx, iov, off)
}

type keeper struct {
	backstore.Backstore
	iov [][]byte
	off int64
}

func (k *keeper) Writev(ctx context.Context, iov [][]byte, off int64) error {
	if err := k.Backstore.Writev(ctx, iov, off); err != nil {
		return err
	}
	k.iov, k.off = iov, off
	return nil
}

func (k *keeper) Readv(ctx context.Context, iov [][]byte, off int64) error {
	_ = k.Backstore.Writev(ctx, k.iov, k.off)
	return k.Backstore.Readv(ctx, iov, off)
}

type editor struct{ bare }

func (e *editor) Readv(ctx context.Context, iov [][]byte, off int64) error {
	err := e.Backstore.Readv(ctx, iov, off)
	if len(iov) > 0 {
		iov[0] = nil
	}
	return err
}

type boundless struct{ bare }

func (b *boundless) Readv(ctx context.Context, iov [][]byte, off int64) error {
	return b.Backstore.Readv(ctx, iov, max(0, min(off, b.Geometry().Size-backstore.Len(iov))))
}

type closeOnce struct {
	backstore.Backstore
	closed bool
}

func (c *closeOnce) Close() error {
	if c.closed {
		return backstore.ErrClosed
	}
	c.closed = true
	return c.Backstore.Close()
}

type volatileOnly struct{ bare }

func (v *volatileOnly) Geometry() backstore.Geometry {
	g := v.Backstore.Geometry()
	g.Volatile = true
	return g
}

type lazyUnmap struct{ backstore.Passthrough }

func (l *lazyUnmap) Unmap(ctx context.Context, extents []backstore.Extent) error {
	if len(extents) > 0 {
		extents = extents[:1]
	}
	return l.Passthrough.Unmap(ctx, extents)
}

type greedyZero struct{ backstore.Passthrough }

func (z *greedyZero) WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error {
	if n > 0 && off+n+512 <= z.Geometry().Size {
		n += 512
	}
	return z.Passthrough.WriteZeroes(ctx, off, n, mayUnmap)
}

// liveLender lends what the next write to the same place will overwrite.
type liveLender struct {
	backstore.Backstore
	lent []byte
	off  int64
}

func (l *liveLender) Lend(off, n int64, dst [][]byte) ([][]byte, func(), bool) {
	b := make([]byte, max(n, 0))
	if l.Readv(context.Background(), [][]byte{b}, off) != nil {
		return dst, nil, false
	}
	l.lent, l.off = b, off
	return append(dst, b), func() {}, true
}

func (l *liveLender) Writev(ctx context.Context, iov [][]byte, off int64) error {
	if err := l.Backstore.Writev(ctx, iov, off); err != nil || off != l.off || len(iov) == 0 {
		return err
	}
	copy(l.lent, iov[0])
	return nil
}

// lateLender lends what it should not have as mapped: bytes from late blocks behind, or bytes of
// the time of an earlier call.
type lateLender struct {
	backstore.Backstore
	late int64
	old  bool
	kept [][]byte
}

func (l *lateLender) LendMapped(off, n int64, dst [][]byte) ([][]byte, func(), bool) {
	b := make([]byte, max(n, 0))
	if l.Readv(context.Background(), [][]byte{b}, off) != nil {
		return dst, nil, false
	}
	if l.late > 0 && l.Readv(context.Background(), [][]byte{b}, off+512*l.late) != nil {
		return dst, nil, false
	}
	if l.old {
		l.kept = append(l.kept, b)
		if first := l.kept[0]; len(first) >= len(b) {
			b = first[:len(b)]
		}
	}
	return append(dst, b), func() {}, true
}

func (*lateLender) Intact() bool { return true }

// doubter lends, but nobody should ask for it.
type doubter struct{ lateLender }

func (*doubter) Intact() bool { return false }

// miser and mappedMiser could lend, they say, but never do.
type miser struct{ backstore.Backstore }

func (*miser) Lend(_, _ int64, dst [][]byte) ([][]byte, func(), bool) { return dst, nil, false }

type mappedMiser struct{ backstore.Backstore }

func (*mappedMiser) LendMapped(_, _ int64, dst [][]byte) ([][]byte, func(), bool) {
	return dst, nil, false
}

func (*mappedMiser) Intact() bool { return true }

type badCompare struct{ bare }

func (b *badCompare) CompareAndWrite(ctx context.Context, compare, write [][]byte, off int64) error {
	err := emulated(b.Backstore).compareAndWrite(ctx, compare, write, off)
	if miss, ok := err.(*backstore.MiscompareError); ok {
		miss.Offset += off + 1
	}
	return err
}

type hasty struct{ backstore.Passthrough }

func (h *hasty) TryWritev(iov [][]byte, off int64) error {
	if err := h.Passthrough.TryWritev(iov, off); err != nil {
		return err
	}
	return backstore.ErrWouldBlock
}

type gaps struct{ backstore.Passthrough }

func (g *gaps) AppendExtents(ctx context.Context, dst []backstore.MappedExtent, off, n int64) ([]backstore.MappedExtent, error) {
	k := len(dst)
	dst, err := g.Passthrough.AppendExtents(ctx, dst, off, n)
	if len(dst) > k && dst[k].Len > 512 {
		dst[k].Off += 512
	}
	return dst, err
}
