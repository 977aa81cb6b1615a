package engine_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi/engine"
)

// crowd is an engine with much in it.
type crowd struct {
	*bench
	others []*engine.Session
}

// newCrowd makes an engine with a device at LUN 0 and at luns-1 more, with more devices that
// are not mapped, and with sessions that do nothing, each of which has a group of its own.
func newCrowd(tb testing.TB, luns, sessions, devices int) *crowd {
	tb.Helper()
	x := &crowd{bench: newBench(tb, nullHandler{}, nil, &engine.DeviceOptions{QueueDepth: 65536})}
	for i := 1; i < luns; i++ {
		require.NoError(tb, x.tgt.Map(uint16(i), x.dev, nil))
	}
	for i := 1; i < devices; i++ {
		_, err := x.e.AddDevice(fmt.Sprintf("more%d", i), nullHandler{}, nil)
		require.NoError(tb, err)
	}
	for i := 1; i < sessions; i++ {
		name := fmt.Sprintf("iqn.other:%d", i)
		require.NoError(tb, x.tgt.Group(name).AddInitiator(name))
		require.NoError(tb, x.tgt.Group(name).Map(0, x.dev, nil))
		s, err := x.tgt.Login(context.Background(), fabric.Initiator{Name: name}, &batchEndpoint{})
		require.NoError(tb, err)
		x.others = append(x.others, s)
	}
	tb.Cleanup(func() { require.NoError(tb, x.e.Close()) })
	return x
}

// BenchmarkGrowth is a READ while the engine has more and more in it that the READ has
// nothing to do with; it should cost the same. With depth, more and more commands are in
// progress, and with spread each goes to another logical unit, whose state is then not in the
// CPU's caches.
func BenchmarkGrowth(b *testing.B) {
	run := func(name string, luns, sessions, devices, depth int, spread bool) {
		b.Run(name, func(b *testing.B) {
			x := newCrowd(b, luns, sessions, devices)
			ep := &batchEndpoint{}
			s := loginTo(b, x.tgt, ep)
			for lun := range luns {
				if spread || lun == luns-1 {
					ep.lun = uint16(lun)
					ep.run(s, 1) // power on
				}
			}
			ep.good = 0
			b.ReportAllocs()
			b.ResetTimer()
			for left := b.N; left > 0; left -= depth {
				ep.run(s, min(left, depth))
				if spread {
					ep.lun = (ep.lun + 1) % uint16(luns)
				}
			}
			b.StopTimer()
			require.Equal(b, b.N, ep.good)
		})
	}
	for _, n := range []int{1, 256, 16384} {
		run(fmt.Sprintf("luns=%d", n), n, 1, 1, 1, false)
	}
	run("spread=16384", 16384, 1, 1, 1, true)
	for _, n := range []int{1, 1000} {
		run(fmt.Sprintf("sessions=%d", n), 1, n, 1, 1, false)
	}
	for _, n := range []int{1, 10000} {
		run(fmt.Sprintf("devices=%d", n), 1, 1, n, 1, false)
	}
	for _, n := range []int{1, 32, 1024} {
		run(fmt.Sprintf("depth=%d", n), 1, 1, 1, n, false)
	}
}

// changes are the operations that change an engine, each with what undoes it.
var changes = map[string]func(tb testing.TB, x *crowd){
	"map": func(tb testing.TB, x *crowd) {
		require.NoError(tb, x.tgt.Unmap(context.Background(), 0))
		require.NoError(tb, x.tgt.Map(0, x.dev, nil))
	},
	"device": func(tb testing.TB, x *crowd) {
		d, err := x.e.AddDevice("new", nullHandler{}, nil)
		require.NoError(tb, err)
		require.NoError(tb, d.Remove(context.Background()))
	},
	"login": func(tb testing.TB, x *crowd) {
		s, err := x.tgt.Login(context.Background(), fabric.Initiator{Name: "iqn.new"}, &batchEndpoint{})
		require.NoError(tb, err)
		s.Close(nil)
		<-s.Done()
	},
	"initiator": func(tb testing.TB, x *crowd) {
		g := x.tgt.Group("new")
		require.NoError(tb, g.AddInitiator("iqn.new"))
		require.NoError(tb, g.RemoveInitiator("iqn.new"))
	},
}

// BenchmarkChange is a change and its reversal in an engine with more and more in it. A login
// does cost something for each logical unit that the initiator sees.
func BenchmarkChange(b *testing.B) {
	for name, change := range changes {
		run := func(what string, luns, sessions, devices int) {
			b.Run(name+"/"+what, func(b *testing.B) {
				x := newCrowd(b, luns, sessions, devices)
				b.ReportAllocs()
				for b.Loop() {
					change(b, x)
				}
			})
		}
		run("alone", 1, 1, 1)
		run("luns=16384", 16384, 1, 1)
		run("sessions=1000", 1, 1000, 1)
		run("devices=10000", 1, 1, 10000)
	}
}

// TestChangesAreSmall: what a change allocates does not depend on how much there is that it
// does not change.
func TestChangesAreSmall(t *testing.T) {
	small, big := newCrowd(t, 1, 1, 1), newCrowd(t, 2000, 200, 2000)
	login := func(x *crowd) { loginTo(t, x.tgt, &batchEndpoint{}) }
	login(small)
	for name, change := range changes {
		if name == "login" {
			continue // which is O(what the initiator sees)
		}
		t.Run(name, func(t *testing.T) {
			few := leastAllocs(func() { change(t, small) })
			many := leastAllocs(func() { change(t, big) })
			require.LessOrEqual(t, many, few+4)
		})
	}
	// A login costs the same for each logical unit, and nothing for other sessions.
	one := allocationsOfLogin(t, newCrowd(t, 1000, 1, 1))
	two := allocationsOfLogin(t, newCrowd(t, 2000, 100, 1000))
	three := allocationsOfLogin(t, newCrowd(t, 3000, 200, 2000))
	t.Logf("a login allocates %v, %v and %v times", one, two, three)
	require.InDelta(t, 1, (three-two)/(two-one), 0.1)
}

func allocationsOfLogin(t *testing.T, x *crowd) float64 {
	return leastAllocs(func() { changes["login"](t, x) })
}

// leastAllocs is the least that f allocates in several runs: other goroutines allocate, too, now
// and then.
func leastAllocs(f func()) float64 {
	least := math.Inf(1)
	for range 8 {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}

// TestUnmapVisitsOneNexus: what a session has elsewhere stays as it is when a logical unit is
// taken away from under it, and comes back as a new one.
func TestUnmapVisitsOneNexus(t *testing.T) {
	x := newCrowd(t, 600, 1, 1)
	ep := &batchEndpoint{}
	s := loginTo(t, x.tgt, ep)
	for lun := range uint16(600) {
		ep.lun = lun
		ep.run(s, 1)
	}
	require.NoError(t, x.tgt.Unmap(t.Context(), 300))
	require.Equal(t, 599, s.Info().LUNs)
	require.Equal(t, 599, x.dev.Stats().Nexuses)
	require.NoError(t, x.tgt.Map(300, x.dev, nil))
	require.Equal(t, 600, s.Info().LUNs)
	ep.lun, ep.good = 0, 0
	ep.run(s, 1) // hears of the change
	for lun := range uint16(600) {
		ep.lun = lun
		ep.run(s, 1)
	}
	require.Equal(t, 599, ep.good, "only the new one has a power on to tell")
	require.Equal(t, uint64(1202), s.Info().Commands)
}

// TestIdleSessionsAreSmall bounds what an engine holds for a session that has done something
// and does nothing now, and for itself, generously.
func TestIdleSessionsAreSmall(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // also what pools have kept from the first
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	x := newCrowd(t, 1, 1, 1)
	alone := heap()
	const sessions = 500
	var all []*engine.Session
	for range sessions {
		all = append(all, loginTo(t, x.tgt, &batchEndpoint{}))
	}
	each := (heap() - alone) / sessions
	t.Logf("an engine holds %d bytes, a session %d", alone-before, each)
	require.Less(t, alone-before, int64(4<<20))
	require.Less(t, each, int64(16<<10))
	runtime.KeepAlive(all)
}
