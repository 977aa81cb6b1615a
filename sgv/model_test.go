package sgv_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/goscst/goscst/sgv"
	"github.com/stretchr/testify/require"
)

// model is a pool seen from outside: which buffers exist, what they hold, what is charged.
type model struct {
	t      *testing.T
	pool   *sgv.Pool
	mem    *counter
	limits [3]*sgv.Limit // engine, session, session
	bounds [3]int64
	used   [3]int64
	bufs   []*modelBuf
}

type modelBuf struct {
	b    *sgv.Buf
	data []byte
	refs int
	lim  int // index of the limit, or -1
	cost int64
	ends int // calls of the release function of a wrapped buffer
	wrap bool
}

func (m *model) get(n, lim int) {
	cost := m.pool.Cost(n)
	require.GreaterOrEqual(m.t, cost, int64(n))
	var l *sgv.Limit
	if lim >= 0 {
		l = m.limits[lim]
	}
	want := error(nil)
	for _, i := range chain(lim) {
		if cost > m.bounds[i] {
			want = sgv.ErrTooLarge
		} else if want == nil && m.used[i]+cost > m.bounds[i] {
			want = sgv.ErrLimit
		}
	}
	b, err := m.pool.Get(n, l)
	if want != nil {
		require.ErrorIs(m.t, err, want)
		return
	}
	require.NoError(m.t, err)
	require.Equal(m.t, n, b.Len())
	x := &modelBuf{b: b, data: make([]byte, n), refs: 1, lim: lim, cost: cost}
	_, err = b.WriteAt(x.data, 0)
	require.NoError(m.t, err)
	for _, i := range chain(lim) {
		m.used[i] += cost
	}
	m.bufs = append(m.bufs, x)
}

// chain returns the indices of limit i and its ancestors.
func chain(i int) []int {
	switch i {
	case -1:
		return nil
	case 0:
		return []int{0}
	}
	return []int{i, 0}
}

func (m *model) wrap(n int) {
	x := &modelBuf{data: make([]byte, n), refs: 1, lim: -1, wrap: true}
	mem := make([]byte, n)
	b, err := m.pool.Wrap([][]byte{mem[:n/3], mem[n/3 : n/2], mem[n/2:]}, func() { x.ends++ })
	require.NoError(m.t, err)
	x.b = b
	m.bufs = append(m.bufs, x)
}

func (m *model) write(x *modelBuf, off, n int, v byte) {
	p := bytes.Repeat([]byte{v}, n)
	got, err := x.b.WriteAt(p, int64(off))
	fits := 0
	if off <= len(x.data) {
		fits = copy(x.data[off:], p)
	}
	require.Equal(m.t, fits, got)
	if fits < n || off > len(x.data) {
		require.ErrorIs(m.t, err, io.ErrShortWrite)
	} else {
		require.NoError(m.t, err)
	}
}

func (m *model) read(x *modelBuf, off, n int) {
	p := make([]byte, n)
	got, err := x.b.ReadAt(p, int64(off))
	var want []byte
	if off <= len(x.data) {
		want = x.data[off:min(off+n, len(x.data))]
	}
	require.True(m.t, bytes.Equal(want, p[:got]))
	if len(want) < n || off > len(x.data) {
		require.ErrorIs(m.t, err, io.EOF)
	} else {
		require.NoError(m.t, err)
	}
}

func (m *model) segments(x *modelBuf, off, n int) {
	off = min(off, len(x.data))
	n = min(n, len(x.data)-off)
	require.True(m.t, bytes.Equal(x.data[off:off+n], bytes.Join(x.b.Append(nil, off, n), nil)))
}

func (m *model) release(i int) {
	x := m.bufs[i]
	require.True(m.t, bytes.Equal(x.data, bytes.Join(x.b.Segs(), nil)), "intact to the end")
	x.b.Release()
	if x.refs--; x.refs > 0 {
		require.Zero(m.t, x.ends)
		return
	}
	if x.wrap {
		require.Equal(m.t, 1, x.ends)
	}
	for _, l := range chain(x.lim) {
		m.used[l] -= x.cost
	}
	m.bufs[i] = m.bufs[len(m.bufs)-1]
	m.bufs = m.bufs[:len(m.bufs)-1]
}

// check compares all counters.
func (m *model) check() {
	for i, l := range m.limits {
		require.Equal(m.t, m.used[i], l.Used())
	}
	require.Equal(m.t, len(m.bufs), m.pool.Outstanding())
	var bytes int64
	for _, x := range m.bufs {
		bytes += x.cost
	}
	st := m.pool.Stats()
	require.Equal(m.t, bytes, st.OutstandingBytes)
	require.LessOrEqual(m.t, st.IdleBytes, st.MaxCached)
	require.EqualValues(m.t, st.IdleBytes+bytes, m.mem.held())
}

// FuzzModel runs operations that the input spells, four bytes each, on a pool and on its model.
func FuzzModel(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{1, 0, 0, 5, 0, 3, 0, 3, 8, 0, 1, 1, 5, 0, 0, 0, 0, 4, 0, 9})
	f.Add([]byte{2, 0, 1, 0xFF, 0, 0, 0x80, 1, 1, 7, 0xC8, 0, 2, 2, 0, 200, 5, 0, 0, 0, 9, 0, 0, 0})
	f.Add(bytes.Repeat([]byte{0, 0xF0, 0x33, 1, 3, 0x21, 0x43, 7, 0, 0x10, 2, 2, 6, 0, 0, 0}, 12))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 || len(in) > 512 {
			return // long inputs only cost time
		}
		m := &model{t: t, mem: &counter{}}
		m.bounds = [3]int64{1 << 20, 300 << 10, 2 << 20}
		opts := &sgv.Options{Allocator: m.mem, PurgeInterval: -1, SegmentSize: 8 << 10}
		switch in[0] % 4 {
		case 1:
			opts.MaxCached = 64 << 10
		case 2:
			opts.FixedSize = 20_000
			opts.Zero = true
		case 3:
			opts.MaxCached = -1
			opts.Align = 64
		}
		m.pool = sgv.NewPool(opts)
		m.limits[0] = sgv.NewLimit(m.bounds[0], nil)
		m.limits[1] = sgv.NewLimit(m.bounds[1], m.limits[0])
		m.limits[2] = sgv.NewLimit(m.bounds[2], m.limits[0])
		for in = in[1:]; len(in) >= 4; in = in[4:] {
			op, a, b, c := in[0], int(in[1]), int(in[2]), int(in[3])
			m.step(op%10, a|b<<8, c)
			m.check()
		}
		if n := len(m.bufs); n > 0 {
			require.ErrorIs(t, m.pool.Close(), sgv.ErrOutstanding)
		}
		for len(m.bufs) > 0 {
			m.release(0)
		}
		require.NoError(t, m.pool.Close())
		require.Zero(t, m.mem.held())
		_, err := m.pool.Get(1, nil)
		require.True(t, errors.Is(err, sgv.ErrClosed))
	})
}

func (m *model) step(op byte, v, c int) {
	switch op {
	case 0:
		m.get(v, c%4-1)
		return
	case 1:
		m.get(v<<5, c%4-1)
		return
	case 2:
		m.wrap(v)
		return
	case 9:
		m.pool.Flush()
		return
	}
	if len(m.bufs) == 0 {
		return
	}
	i := c % len(m.bufs)
	switch x := m.bufs[i]; op {
	case 3:
		m.write(x, v, 1+c*50, byte(v))
	case 4:
		m.read(x, v, 1+c*50)
	case 5:
		m.segments(x, v, c*100)
	case 6:
		require.Same(m.t, x.b, x.b.Retain())
		x.refs++
	default:
		m.release(i)
	}
}
