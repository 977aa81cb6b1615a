package leak

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

// recorder is a test that only notes what would make it fail.
type recorder struct {
	cleanups []func()
	errors   []string
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) end() []string {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
	return r.errors
}

// impatient shortens the wait that a leak costs.
func impatient(t *testing.T) {
	old := patience
	patience = 20 * time.Millisecond
	t.Cleanup(func() { patience = old })
}

//go:noinline
func lingers(stop chan struct{}) { <-stop }

func TestGoroutinesReportsStack(t *testing.T) {
	impatient(t)
	var r recorder
	Goroutines(&r)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() { lingers(stop); close(ended) }()
	errs := r.end()
	close(stop)
	<-ended
	require.Len(t, errs, 1)
	require.Contains(t, errs[0], "1 goroutines left")
	require.Contains(t, errs[0], "leak.lingers")
}

func TestGoroutinesWaitsForTheEnd(t *testing.T) {
	var r recorder
	Goroutines(&r)
	stop := make(chan struct{})
	go lingers(stop)
	r.Cleanup(func() { // runs before the check, which then has to wait
		time.AfterFunc(5*time.Millisecond, func() { close(stop) })
	})
	require.Empty(t, r.end())
}

func TestGoroutinesIgnoresOlderOnes(t *testing.T) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() { lingers(stop); close(ended) }()
	var r recorder
	Goroutines(&r)
	require.Empty(t, r.end())
	close(stop)
	<-ended
}

type fakePool struct{ n int }

func (p *fakePool) Outstanding() int { return p.n }

func TestPool(t *testing.T) {
	impatient(t)
	p := &fakePool{n: 2}
	var r recorder
	Pool(&r, p)
	p.n = 3
	require.Equal(t, []string{"leak: 3 buffers outstanding, 2 when the test began"}, r.end())

	var ok recorder
	Pool(&ok, p)
	p.n = 1
	require.Empty(t, ok.end())
}

// suite is a testing.M.
type suite func() int

func (s suite) Run() int { return s() }

func TestRun(t *testing.T) {
	impatient(t)
	var out strings.Builder
	require.Equal(t, 3, run(suite(func() int { return 3 }), &out))
	require.Equal(t, 0, run(suite(func() int { return 0 }), &out))
	require.Empty(t, out.String())

	stop, ended := make(chan struct{}), make(chan struct{})
	code := run(suite(func() int {
		go func() { lingers(stop); close(ended) }()
		return 0
	}), &out)
	close(stop)
	<-ended
	require.Equal(t, 1, code)
	require.Contains(t, out.String(), "leak.lingers")
}

// A dump larger than the first buffer is read whole.
func TestManyGoroutines(t *testing.T) {
	stop, ended := make(chan struct{}), make(chan struct{})
	const n = 1000
	for range n {
		go func() { lingers(stop); ended <- struct{}{} }()
	}
	got := len(goroutines())
	close(stop)
	for range n {
		<-ended
	}
	require.GreaterOrEqual(t, got, n+1)
}
