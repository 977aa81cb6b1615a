package iscsi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// listerFunc is a targetLister made of a function.
type listerFunc func(name string) []discovered

func (f listerFunc) listTargets(name string) []discovered { return f(name) }

// discover plays an initiator that asks for all targets and returns its answer and the
// number of responses.
func discover(t *testing.T, x *exchange) (text string, responses int) {
	t.Helper()
	data := []byte("SendTargets=All\x00")
	ttt := pdu.ReservedTag
	for {
		var h, resp pdu.Header
		q := h.InitTextRequest()
		q.SetFinal(true)
		q.SetTTT(ttt)
		out, reject := x.step(&h, data, &resp)
		require.Equal(t, pdu.RejectNone, reject)
		require.LessOrEqual(t, len(out), x.params().MaxXmitDataSegmentLength)
		text += string(out)
		responses++
		r := resp.TextResponse()
		require.NotEqual(t, r.Final(), r.Continue())
		if r.Final() {
			require.Equal(t, pdu.ReservedTag, r.TTT())
			return text, responses
		}
		require.Equal(t, byte(0), out[len(out)-1], "cut between two pairs")
		ttt, data = r.TTT(), nil
	}
}

// TestDiscoverMany lists more targets than any PDU takes, in each of several sizes of it.
func TestDiscoverMany(t *testing.T) {
	portals := []portalAddr{{"192.0.2.1", 3260, 1}, {"2001:db8::1", 3261, 2}}
	var targets []discovered
	var want strings.Builder
	for i := range 3000 {
		name := fmt.Sprintf("iqn.2026-11.com.example:%d", i)
		targets = append(targets, discovered{name, portals})
		fmt.Fprintf(&want, "TargetName=%s\x00TargetAddress=192.0.2.1:3260,1\x00TargetAddress=[2001:db8::1]:3261,2\x00", name)
	}
	lister := listerFunc(func(string) []discovered { return targets })
	for _, size := range []int{minSegment, 8192, 65536, maxTextData, maxSegment} {
		x := newExchange(newLogin(newRig()), lister)
		x.params().MaxXmitDataSegmentLength = size
		got, n := discover(t, x)
		require.Equal(t, want.String(), got, size)
		require.GreaterOrEqual(t, n, want.Len()/min(size, maxTextData))
		require.False(t, x.open)
		require.True(t, x.list.empty())
	}
	require.Len(t, targets, 3000)
}

// TestDiscoverOversized checks that a name or an address that fits no PDU does not stop the
// others.
func TestDiscoverOversized(t *testing.T) {
	long := strings.Repeat("x", 600)
	lister := listerFunc(func(string) []discovered {
		return []discovered{
			{"a", []portalAddr{{long, 1, 1}, {"h", 1, 1}}},
			{long, nil},
			{"b", nil},
		}
	})
	x := newExchange(newLogin(newRig()), lister)
	x.params().MaxXmitDataSegmentLength = minSegment
	got, _ := discover(t, x)
	require.Equal(t, "TargetName=a\x00TargetAddress=h:1,1\x00TargetName=b\x00", got)
}

func TestPortalAddr(t *testing.T) {
	for want, a := range map[string]portalAddr{
		"192.0.2.1:3260,1":     {"192.0.2.1", 3260, 1},
		"192.0.2.2:3260,1":     {"::ffff:192.0.2.2", 3260, 1},
		"[2001:db8::1]:1,0":    {"2001:0DB8:0::1", 1, 0},
		"[fe80::1]:3260,65535": {"fe80::1%eth0", 3260, 65535},
		"disk.example:3260,2":  {"disk.example", 3260, 2},
	} {
		require.Equal(t, want, a.String())
	}
}
