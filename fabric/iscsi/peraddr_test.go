package iscsi

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestMaxAddressConnections: connections beyond the bound of their address are closed at once,
// counted, and logged once; others are not concerned.
func TestMaxAddressConnections(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	l := newLab(t, func(s *Server) {
		s.Options.MaxAddressConnections = 2
		s.Logger = zap.New(core)
	})
	p := l.login(false)
	q := l.connect(false)
	q.isid[5]++
	q.login()
	q.clearUA(0)
	for range 3 {
		l.connect(false).gone()
	}
	p.alive()
	q.alive()
	s := l.srv.Stats()
	require.EqualValues(t, 3, s.RefusedAddress)
	require.EqualValues(t, 3, s.Refused)
	require.Equal(t, 2, s.Connections)
	require.Equal(t, 1, logs.Len())
	require.Contains(t, logs.All()[0].Message, "too many connections")
	require.Equal(t, "127.0.0.1", logs.All()[0].ContextMap()["address"])

	r := l.connect(true) // a pipe has no address
	r.isid[5] = 9
	r.login()
	require.NoError(t, p.nc.Close())
	require.Eventually(t, func() bool { return l.srv.Stats().Connections == 2 }, patience, time.Millisecond)
	l.login(false)
}

func TestPerAddress(t *testing.T) {
	var p perAddress
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	require.True(t, p.add(a, 1))
	require.False(t, p.add(a, 1))
	require.True(t, p.add(a, 2))
	require.False(t, p.add(a, 2))
	require.True(t, p.add(a, 0), "no bound")
	require.True(t, p.add(b, 1))
	p.remove(a)
	require.False(t, p.add(a, 2))
	p.remove(a)
	require.True(t, p.add(a, 2))
	for range 2 {
		p.remove(a)
	}
	p.remove(b)
	require.Empty(t, p.conns, "nothing is remembered")
	require.True(t, p.add(netip.Addr{}, 1))
	require.True(t, p.add(netip.Addr{}, 1))
	p.remove(netip.Addr{})
	require.Empty(t, p.conns)
}

// TestComplain: once in a while for each address, for so many addresses.
func TestComplain(t *testing.T) {
	var p perAddress
	now := time.Unix(1, 0)
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range maxComplaints {
		require.True(t, p.complain(at(i), now))
		require.False(t, p.complain(at(i), now.Add(complainEvery-1)))
	}
	require.False(t, p.complain(at(maxComplaints), now.Add(complainEvery-1)))
	require.True(t, p.complain(at(0), now.Add(complainEvery)))
	require.True(t, p.complain(at(maxComplaints), now.Add(complainEvery)))
	require.Len(t, p.complained, 2)
}

func TestRemoteOf(t *testing.T) {
	a, b := net.Pipe()
	require.False(t, remoteOf(a).IsValid())
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	require.Equal(t, netip.MustParseAddr("127.0.0.1"), remoteOf(nc), "also if the system maps it into IPv6")
	require.NoError(t, nc.Close())
	require.NoError(t, l.Close())
}
