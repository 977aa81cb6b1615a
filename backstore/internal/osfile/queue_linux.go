package osfile

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Queue is where sysfs tells the limits of a device's queue. What cannot be read there counts as absent.
type Queue struct {
	dev string // folder of the device
	dir string // folder of its queue
}

// QueueOf finds the queue of a device.
func QueueOf(dev uint64) Queue { return QueueIn("/sys/dev/block", dev) }

// QueueIn finds the queue of a device in a folder that is like /sys/dev/block. A partition has that of
// its disk.
func QueueIn(root string, dev uint64) Queue {
	d := filepath.Join(root, fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev)))
	if path, err := filepath.EvalSymlinks(d); err == nil {
		d = path // .. of a link is elsewhere
	}
	q := filepath.Join(d, "queue")
	if st, err := os.Stat(q); err != nil || !st.IsDir() {
		q = filepath.Join(d, "..", "queue")
	}
	return Queue{dev: d, dir: q}
}

// Text returns the contents of a file of the queue, or "".
func (q Queue) Text(name string) string { return readText(filepath.Join(q.dir, name)) }

// Number returns the number in a file of the queue, or 0.
func (q Queue) Number(name string) int64 { return parseNumber(q.Text(name)) }

// WriteThrough reports whether the device has no write cache. Without a word from sysfs there may be one.
func (q Queue) WriteThrough() bool { return q.Text("write_cache") == "write through" }

// DiscardAlignment is where the first discard unit begins, in bytes from the start of the device.
func (q Queue) DiscardAlignment() int64 {
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
