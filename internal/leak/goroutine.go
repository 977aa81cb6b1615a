package leak

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Goroutines fails t, with their stacks, if goroutines that did not run when it is called are
// left when t ends. In a testing/synctest bubble it is not needed: the bubble itself demands that.
func Goroutines(t TB) {
	t.Helper()
	before := make(map[string]bool)
	for _, g := range goroutines() {
		before[g.id] = true
	}
	t.Cleanup(func() {
		t.Helper()
		var left []goroutine
		if !settle(func() bool {
			left = strangers(before)
			return len(left) == 0
		}) {
			t.Errorf("leak: %d goroutines left:\n\n%s", len(left), join(left))
		}
	})
}

// Main runs the tests of m and ends the process; goroutines that are left after successful tests
// make it fail. Call it from TestMain.
func Main(m interface{ Run() int }) {
	os.Exit(run(m, os.Stderr))
}

// run is Main without the end of the process.
func run(m interface{ Run() int }, w interface{ Write([]byte) (int, error) }) int {
	code := m.Run()
	if code != 0 {
		return code
	}
	var left []goroutine
	if !settle(func() bool {
		left = strangers(nil)
		return len(left) == 0
	}) {
		fmt.Fprintf(w, "leak: %d goroutines left after all tests:\n\n%s", len(left), join(left))
		return 1
	}
	return 0
}

// goroutine is one entry of a stack dump.
type goroutine struct {
	id    string
	stack string
}

// own are functions at the bottom of goroutines that belong to the test binary, not to a test.
var own = []string{
	"testing.Main(", "testing.(*M).", "testing.tRunner(", "testing.runTests(", "testing.runFuzzing(",
	"testing.runFuzzTests(", "testing.runExample(", "internal/fuzz.",
	"os/signal.signal_recv(", "os/signal.loop(", "runtime.ensureSigM(", "runtime.ReadTrace(",
	"runtime/pprof.profileWriter(",
}

// strangers returns the goroutines that are not in before, not this one and not the testing
// package's.
func strangers(before map[string]bool) []goroutine {
	var out []goroutine
	for i, g := range goroutines() {
		if i == 0 || before[g.id] || g.belongsToTesting() {
			continue // the first is the one that asks
		}
		out = append(out, g)
	}
	return out
}

func (g *goroutine) belongsToTesting() bool {
	for _, f := range own {
		if strings.Contains(g.stack, "\n"+f) {
			return true
		}
	}
	return false
}

// goroutines returns all goroutines, the calling one first.
func goroutines() []goroutine {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var out []goroutine
	for _, s := range bytes.Split(buf, []byte("\n\n")) {
		// goroutine 7 [chan receive]:
		f := bytes.Fields(s)
		if len(f) < 2 || string(f[0]) != "goroutine" {
			continue
		}
		out = append(out, goroutine{id: string(f[1]), stack: string(bytes.TrimSpace(s))})
	}
	return out
}

func join(gs []goroutine) string {
	var s strings.Builder
	for _, g := range gs {
		s.WriteString(g.stack)
		s.WriteString("\n\n")
	}
	return s.String()
}
