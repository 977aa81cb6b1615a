package iscsi

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestSocketsAreTuned looks at the options of the server's end of a connection.
func TestSocketsAreTuned(t *testing.T) {
	for keepAlive, probes := range map[time.Duration]int{0: 45, 7 * time.Second: 7, -1: 0} {
		l := newLab(t, func(s *Server) {
			s.Options.CongestionControl = "reno" // every kernel has it
			s.Options.KeepAlive = keepAlive
		})
		l.login(false)
		rc, err := l.only().nc.(*net.TCPConn).SyscallConn()
		require.NoError(t, err)
		require.NoError(t, rc.Control(func(fd uintptr) {
			get := func(level, opt int) int {
				v, err := unix.GetsockoptInt(int(fd), level, opt)
				require.NoError(t, err)
				return v
			}
			require.NotZero(t, get(unix.IPPROTO_TCP, unix.TCP_NODELAY))
			if probes == 0 {
				require.Zero(t, get(unix.SOL_SOCKET, unix.SO_KEEPALIVE))
			} else {
				require.NotZero(t, get(unix.SOL_SOCKET, unix.SO_KEEPALIVE))
				require.Equal(t, probes, get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE))
				require.Equal(t, probes, get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL))
			}
			name, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
			require.NoError(t, err)
			require.Equal(t, "reno", name)
		}))
	}
}
