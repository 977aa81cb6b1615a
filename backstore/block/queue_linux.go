package block

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// queue is where sysfs tells the limits of a device's queue. What cannot be read there counts as absent.
type queue struct {
	dev string // folder of the device
	dir string // folder of its queue
}

// queueOf finds the queue of a device. A partition has that of its disk.
func queueOf(dev uint64) queue {
	d := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(dev), unix.Minor(dev))
	if path, err := filepath.EvalSymlinks(d); err == nil {
		d = path // .. of a link is elsewhere
	}
	q := filepath.Join(d, "queue")
	if st, err := os.Stat(q); err != nil || !st.IsDir() {
		q = filepath.Join(d, "..", "queue")
	}
	return queue{dev: d, dir: q}
}

// text returns the contents of a file of the queue, or "".
func (q queue) text(name string) string { return readText(filepath.Join(q.dir, name)) }

// number returns the number in a file of the queue, or 0.
func (q queue) number(name string) int64 { return parseNumber(q.text(name)) }

// discardAlignment is where the first discard unit begins, in bytes from the start of the device.
func (q queue) discardAlignment() int64 {
	return parseNumber(readText(filepath.Join(q.dev, "discard_alignment")))
}

func readText(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// parseNumber returns 0 for what is no number. Limits may be as large as the largest of 64 bits.
func parseNumber(text string) int64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return int64(min(n, math.MaxInt64))
}
