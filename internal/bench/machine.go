package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// describeMachine returns lines on what the figures depend on: what it cannot find out is left out.
func describeMachine() string {
	var b strings.Builder
	fmt.Fprintf(&b, "- %s %s/%s, %d CPUs", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for line := range strings.Lines(readText("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			fmt.Fprintf(&b, ", %s", strings.TrimSpace(value))
			break
		}
	}
	for _, f := range []struct{ what, path string }{
		{"kernel", "/proc/sys/kernel/osrelease"},
		{"TCP congestion control", "/proc/sys/net/ipv4/tcp_congestion_control"},
		{"transparent huge pages", "/sys/kernel/mm/transparent_hugepage/enabled"},
		{"load average at the start", "/proc/loadavg"},
	} {
		if text := readText(f.path); text != "" {
			fmt.Fprintf(&b, "\n- %s %s", f.what, text)
		}
	}
	return b.String()
}

// readText returns what a small file holds, "" if there is none.
func readText(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
