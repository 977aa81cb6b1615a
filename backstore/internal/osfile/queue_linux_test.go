package osfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestParseNumber(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "x": 0, "-1": 0, "4096": 4096, "18446744073709551615": 1<<63 - 1} {
		require.Equal(t, want, parseNumber(text), "%q", text)
	}
}

// TestQueue reads what sysfs tells of a disk and of a partition, which has no queue of its own.
func TestQueue(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"devices/sda/queue/write_cache":      "write through\n",
		"devices/sda/queue/rotational":       "1\n",
		"devices/sda/discard_alignment":      "0\n",
		"devices/sda/sda1/discard_alignment": "512\n",
		"devices/sdb/queue/write_cache":      "write back\n",
	} {
		name = filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(root, "block"), 0o700))
	for number, dev := range map[string]string{"8:0": "sda", "8:1": "sda/sda1", "8:16": "sdb"} {
		require.NoError(t, os.Symlink("../devices/"+dev, filepath.Join(root, "block", number)))
	}
	queueOf := func(minor uint32) Queue { return QueueIn(filepath.Join(root, "block"), unix.Mkdev(8, minor)) }
	disk, part, other, none := queueOf(0), queueOf(1), queueOf(16), queueOf(2)
	require.True(t, disk.WriteThrough())
	require.True(t, part.WriteThrough())
	require.False(t, other.WriteThrough())
	require.False(t, none.WriteThrough())
	require.EqualValues(t, 1, part.Number("rotational"))
	require.Zero(t, other.Number("rotational"))
	require.Zero(t, disk.DiscardAlignment())
	require.EqualValues(t, 512, part.DiscardAlignment())
}
