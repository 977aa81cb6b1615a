package leak

import (
	"os"
	"sort"
	"strings"
)

// Files fails t if file descriptors (files, sockets, rings) that were not open when it is called
// are left when t ends.
func Files(t TB) {
	t.Helper()
	// The runtime opens the descriptors of its poller on first use and keeps them.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	before := make(map[string]bool)
	for _, f := range openFiles() {
		before[f] = true
	}
	t.Cleanup(func() {
		t.Helper()
		var left []string
		if !settle(func() bool {
			left = left[:0]
			for _, f := range openFiles() {
				if !before[f] {
					left = append(left, f)
				}
			}
			return len(left) == 0
		}) {
			t.Errorf("leak: %d descriptors left:\n%s", len(left), strings.Join(left, "\n"))
		}
	})
}

// openFiles returns the descriptors of the process and what they refer to.
func openFiles() []string {
	const dir = "/proc/self/fd"
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var out []string
	for _, n := range names {
		to, err := os.Readlink(dir + "/" + n)
		if err != nil || strings.HasPrefix(to, "/proc/") && strings.HasSuffix(to, "/fd") {
			continue // closed meanwhile, or the directory itself
		}
		out = append(out, n+" "+to)
	}
	sort.Strings(out)
	return out
}
