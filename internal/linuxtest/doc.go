// Package linuxtest is what tests of several packages ask of Linux: mounts of their own, and what the
// kernel says of memory.
//
//	var f *os.File
//	linuxtest.Mounts(t, "a small file system", func() (err error) {
//		if err = unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err == nil {
//			f, err = os.Create(dir + "/disk")
//		}
//		return err
//	})
//
// On other systems it is empty. Only tests import this package.
package linuxtest
