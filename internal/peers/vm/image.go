package vm

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Image is what a machine boots.
type Image struct {
	Kernel string // file
	Initrd string // file
}

// guestInit is the first process of the guest.
//
//go:embed init.sh
var guestInit []byte

// modprobe are the modules that the guest loads; what they depend on comes with them.
var modprobe = []string{
	"virtio_pci", "virtio_console", "virtio_net", "crc32c_generic", "sd_mod", "iscsi_tcp", "ext4",
}

// programs are the programs of the guest.
var programs = []string{
	"busybox", "iscsid", "iscsiadm", "mke2fs", "e2fsck", "resize2fs",
}

// Build returns the image in the directory cache, and makes it first if it is not there. That
// downloads some 50 MB of packages. An image is made once for each version of this package; to
// get the distribution's newest kernel, remove it. ErrNoPackages is wrapped where they cannot be
// had.
func Build(ctx context.Context, cache string) (*Image, error) {
	dir := filepath.Join(cache, "vm-"+version())
	img := &Image{Kernel: filepath.Join(dir, "vmlinuz"), Initrd: filepath.Join(dir, "initrd.gz")}
	if _, err := os.Stat(dir); err == nil {
		return img, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	// It is made elsewhere and renamed, so another process sees all of it or nothing.
	work, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	defer os.RemoveAll(work)
	ready := filepath.Join(work, "image")
	if err := build(ctx, work, ready); err != nil {
		return nil, err
	}
	if err := os.Rename(ready, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, statErr := os.Stat(dir); statErr != nil {
			return nil, fmt.Errorf("vm: %w", err)
		} // else another process was faster
	}
	return img, nil
}

// version changes with everything that an image is made from, the packages' versions apart.
func version() string {
	h := sha256.New()
	fmt.Fprintln(h, 1, kernelPackage, userland, modprobe, programs)
	h.Write(guestInit)
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

// build makes the files of an image in the directory ready, with work for the packages.
func build(ctx context.Context, work, ready string) error {
	p, err := fetchPackages(ctx, work)
	if err != nil {
		return err
	}
	kernels, err := filepath.Glob(filepath.Join(p.kernel, "boot", "vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		return fmt.Errorf("vm: the kernel package holds %d kernels", len(kernels))
	}
	root, err := rootFS(ctx, p)
	if err != nil {
		return err
	}
	if err := os.Mkdir(ready, 0o755); err != nil {
		return fmt.Errorf("vm: %w", err)
	}
	if err := os.Rename(kernels[0], filepath.Join(ready, "vmlinuz")); err != nil {
		return fmt.Errorf("vm: %w", err)
	}
	return writeInitrd(filepath.Join(ready, "initrd.gz"), root)
}

func writeInitrd(name string, root tree) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("vm: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		return fmt.Errorf("vm: %w", err)
	}
	if err := root.writeCPIO(z); err != nil {
		return fmt.Errorf("vm: %w", err)
	}
	return z.Close()
}

// rootFS returns the root file system of the guest.
func rootFS(ctx context.Context, p *packages) (tree, error) {
	t := make(tree)
	for _, dir := range []string{"proc", "sys", "run/lock/iscsi", "tmp", "mnt", "root", "etc/iscsi", "var/lib/iscsi", "usr/lib", "usr/bin", "usr/sbin"} {
		t.dir(dir)
	}
	for _, dir := range []string{"bin", "sbin", "lib"} {
		t.link(dir, "usr/"+dir)
	}
	t.link("lib64", "usr/lib")
	t.link("var/run", "../run")
	t.device("dev/console", 5, 1)
	t.file("init", 0o755, guestInit)
	t.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\n"))
	t.file("etc/group", 0o644, []byte("root:x:0:\n"))
	t.file("etc/hosts", 0o644, []byte("127.0.0.1 localhost\n"))

	s, err := openSysroot(p.userland)
	if err != nil {
		return nil, err
	}
	for _, name := range programs {
		if err := s.program(t, name); err != nil {
			return nil, err
		}
	}
	t.link("usr/bin/sh", "../sbin/busybox")
	t.link("usr/sbin/mkfs.ext4", "mke2fs")
	if err := s.library(t, "libgcc_s.so.1"); err != nil { // opened at run time, to end a thread
		return nil, err
	}
	for _, name := range []string{"etc/iscsi/iscsid.conf", "etc/mke2fs.conf"} {
		file, err := s.find(path.Base(name), path.Dir(name))
		if err != nil {
			return nil, err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("vm: %w", err)
		}
		t.file(name, 0o644, data)
	}
	return t, addModules(ctx, t, p.kernel)
}

// addModules adds the modules and the list by which the guest loads them.
func addModules(ctx context.Context, t tree, kernel string) error {
	m, err := openModules(kernel)
	if err != nil {
		return err
	}
	order, err := m.load(ctx, modprobe...)
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, mod := range order {
		name := "lib/modules/" + mod.name + ".ko"
		t.file("usr/"+name, 0o644, mod.data)
		list.WriteString("/" + name + "\n")
	}
	t.file("etc/modules", 0o644, []byte(list.String()))
	return nil
}
