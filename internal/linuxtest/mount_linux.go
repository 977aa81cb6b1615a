package linuxtest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/internal/peers"
)

// Mounts calls mount on a thread that has mounts of its own. What is mounted goes away with the thread, and with
// the files that are opened there. Where the system does not allow it, what is missing, and the test is skipped.
func Mounts(t testing.TB, what string, mount func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock it: the thread ends
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
				return err
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return err
			}
			return mount()
		}()
	}()
	if err := <-done; err != nil {
		peers.Missing(t, what+": "+err.Error())
	}
}

// SmallFile makes an empty file in a file system in memory that has room for so many bytes, and closes
// it when the test ends.
func SmallFile(t testing.TB, room int) *os.File {
	t.Helper()
	dir := t.TempDir()
	var f *os.File
	Mounts(t, "a small file system in memory", func() (err error) {
		if err = unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", room)); err == nil {
			f, err = os.Create(filepath.Join(dir, "disk"))
		}
		return err
	})
	t.Cleanup(func() { _ = f.Close() }) // somebody may have closed it
	return f
}
