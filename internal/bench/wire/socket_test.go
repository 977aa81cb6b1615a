package wire

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// pair returns both ends of a connection, which the test closes.
func pair(t *testing.T, opt Options) (a, b *Socket) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	a, err = Dial(t.Context(), l.Addr().String(), opt)
	require.NoError(t, err)
	c, err := l.Accept()
	require.NoError(t, err)
	b, err = NewSocket(c, opt)
	require.NoError(t, err)
	return a, b
}

// TestAlone sends no more than the kernel keeps: the sender does not block.
func TestAlone(t *testing.T) {
	for _, alone := range []bool{false, true} {
		a, b := pair(t, Options{Alone: alone})
		want := bytes.Repeat([]byte("0123456789abcdef"), 1<<10)
		bufs := slices.Collect(slices.Chunk(slices.Clone(want), 7)) // more than one vector
		require.Greater(t, len(bufs), 2048)
		require.NoError(t, a.Writev(bufs))
		n, err := a.Write([]byte("end"))
		require.NoError(t, err)
		require.Equal(t, 3, n)
		got := make([]byte, len(want)+3)
		require.NoError(t, b.ReadFull(got))
		require.Equal(t, string(want)+"end", string(got))
		require.NoError(t, a.Close())
		_, err = b.Read(got)
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, b.Close())
	}
}

func TestPatienceEnds(t *testing.T) {
	a, b := pair(t, Options{Patience: 10 * time.Millisecond})
	_, err := a.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	for err = nil; err == nil; { // until the kernel keeps no more
		err = b.Writev([][]byte{make([]byte, 1<<20)})
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

func TestUntil(t *testing.T) {
	a, b := pair(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	release := a.Until(ctx)
	read := make(chan error)
	go func() {
		_, err := a.Read(make([]byte, 1))
		read <- err
	}()
	cancel()
	require.Error(t, <-read)
	release()
	require.NoError(t, a.Close())

	release = b.Until(t.Context())
	release() // of a context that goes on
	require.NoError(t, b.Close())
}

func TestReadPDU(t *testing.T) {
	a, b := pair(t, Options{})
	h := make(Header, HeaderLen+8+4)
	h[0], h[4] = OpNopIn|Immediate, 2
	h.SetDataLen(3)
	copy(h[HeaderLen+8:], "abc")
	_, err := a.Write(h)
	require.NoError(t, err)
	got, err := b.ReadPDU(make([]byte, 100))
	require.NoError(t, err)
	r := Header(got)
	require.EqualValues(t, h, r)
	require.EqualValues(t, OpNopIn, r.Op())
	require.Equal(t, "abc", string(r[r.DataAt():r.DataAt()+r.DataLen()]))
	h.SetDataLen(1<<24 - 1)
	_, err = a.Write(h)
	require.NoError(t, err)
	_, err = b.ReadPDU(make([]byte, 100))
	require.ErrorContains(t, err, "a PDU of 16777272 bytes")
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

func TestAdvance(t *testing.T) {
	for _, c := range []struct {
		n    int
		want string
	}{{0, "ab|c|def"}, {1, "b|c|def"}, {2, "c|def"}, {3, "def"}, {5, "f"}, {6, ""}} {
		got := advance([][]byte{[]byte("ab"), []byte("c"), []byte("def")}, c.n)
		require.Equal(t, c.want, string(bytes.Join(got, []byte("|"))))
	}
}

func TestZeros(t *testing.T) {
	b, err := Zeros(1 << 20)
	require.NoError(t, err)
	require.Equal(t, make([]byte, 1<<20), b)
}

func TestMemory(t *testing.T) {
	b, err := Memory(2 * HugePage)
	require.NoError(t, err)
	require.Len(t, b, 2*HugePage)
	b[0], b[len(b)-1] = 1, 2
	require.Equal(t, make([]byte, len(b)-2), b[1:len(b)-1])
	Free(b)
}
