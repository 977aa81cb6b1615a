package floor_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/bench/floor"
	"github.com/goscst/goscst/internal/bench/load"
	"github.com/goscst/goscst/internal/bench/wire"
	"github.com/goscst/goscst/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// serve runs a floor until the end of the test.
func serve(t *testing.T, opt floor.Options) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- floor.Serve(ctx, l, opt) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return l.Addr().String()
}

func TestServe(t *testing.T) {
	t.Run("page", func(t *testing.T) { testServe(t, serve(t, floor.Options{})) })
	t.Run("disk", func(t *testing.T) { testServe(t, serve(t, floor.Options{Disk: 4 << 20})) })
}

func testServe(t *testing.T, addr string) {
	for _, c := range []load.Config{
		{Conns: 1, Depth: 32, Block: 4096, Random: true, Count: 1000},
		{Conns: 1, Depth: 32, Block: 4096, Random: true, Count: 1000, Writes: 100},
		{Conns: 1, Depth: 1, Block: 4096, Random: true, Count: 50},
		{Conns: 1, Depth: 8, Block: 256 << 10, Count: 50},
		{Conns: 1, Depth: 8, Block: 256 << 10, Count: 50, Writes: 100},
		{Conns: 1, Depth: 4, Block: 1 << 20, Count: 20},
		{Conns: 1, Depth: 4, Block: 1 << 20, Count: 20, Writes: 100},
		{Conns: 16, Depth: 4, Block: 8192, Random: true, Count: 50, Writes: 30},
		{Conns: 1, Depth: 4096, Block: 512, Count: 5000}, // more than the window, more than a batch
	} {
		c.Addr, c.Target = addr, "iqn.2026-11.example:floor"
		r, err := load.Run(t.Context(), c)
		require.NoError(t, err, "%+v", c)
		require.EqualValues(t, c.Conns*c.Count, r.Commands)
		require.Zero(t, r.Errors)
	}
}

// TestServeEndsStrangers sends what the load generator never does.
func TestServeEndsStrangers(t *testing.T) {
	addr := serve(t, floor.Options{Disk: 2 << 20})
	for _, change := range []func(h wire.Header){
		func(h wire.Header) { h[0] = 0x1f },                                                   // no such opcode
		func(h wire.Header) { h[0] = wire.OpDataOut },                                         // that nothing asked for
		func(h wire.Header) { h[0] = wire.OpCommand; h.Put(wire.Expected, 1<<30) },            // too much
		func(h wire.Header) { read(h, 4095, 1024) },                                           // beyond the end
		func(h wire.Header) { read(h, 1<<32-1, 512) },                                         // far beyond
		func(h wire.Header) { h[0] = wire.OpCommand; h.SetDataLen(1<<24 - 1) },                // longer than the buffer
		func(h wire.Header) { h[0] = wire.OpCommand; h[4] = 255; h.SetDataLen(1<<24 - 1000) }, // that as well
	} {
		s, err := wire.Dial(t.Context(), addr, wire.Options{})
		require.NoError(t, err)
		h := make(wire.Header, wire.HeaderLen)
		change(h)
		_, err = s.Write(h)
		require.NoError(t, err)
		_, err = s.ReadPDU(make([]byte, 1<<10))
		require.Error(t, err) // the connection is over
		require.NoError(t, s.Close())
	}
}

func TestServeAnswersPings(t *testing.T) {
	s, err := wire.Dial(t.Context(), serve(t, floor.Options{}), wire.Options{})
	require.NoError(t, err)
	h := make(wire.Header, wire.HeaderLen)
	h[0] = wire.OpNopOut | wire.Immediate
	h.Put(wire.Tag, 77)
	_, err = s.Write(h)
	require.NoError(t, err)
	b, err := s.ReadPDU(make([]byte, 1<<10))
	require.NoError(t, err)
	require.EqualValues(t, wire.OpNopIn, wire.Header(b).Op())
	require.EqualValues(t, 77, wire.Header(b).Get(wire.Tag))
	require.NoError(t, s.Close())
}

// read makes h a READ (10) of n bytes.
func read(h wire.Header, lba uint32, n uint32) {
	h[0], h[1] = wire.OpCommand, wire.Final|wire.FlagRead
	h[wire.CDB] = wire.Read10
	h.Put(wire.Expected, n)
	h.Put(wire.CDB+2, lba)
}

// TestServeAnswersFromTheDisk reads blocks of a disk, no two of which are the same.
func TestServeAnswersFromTheDisk(t *testing.T) {
	s, err := wire.Dial(t.Context(), serve(t, floor.Options{Disk: 2 << 20}), wire.Options{})
	require.NoError(t, err)
	for _, lba := range []uint32{0, 1, 17, 4095} {
		h := make(wire.Header, wire.HeaderLen)
		read(h, lba, 512)
		_, err = s.Write(h)
		require.NoError(t, err)
		b, err := s.ReadPDU(make([]byte, 1<<10))
		require.NoError(t, err)
		r := wire.Header(b)
		require.EqualValues(t, wire.OpDataIn, r.Op())
		require.Equal(t, 512, r.DataLen())
		for i, got := range b[r.DataAt():] {
			require.Equal(t, floor.Pattern(int64(lba)*512+int64(i)), got)
		}
	}
	require.NoError(t, s.Close())
}

func TestServeRefusesADisk(t *testing.T) {
	for _, size := range []int64{-2 << 20, 1, 1 << 20, 2 << 40} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.ErrorContains(t, floor.Serve(t.Context(), l, floor.Options{Disk: size}), "is allowed")
		_, err = l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
	}
}
