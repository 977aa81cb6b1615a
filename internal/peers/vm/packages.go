package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kernelPackage depends on the newest kernel. It is the variant without drivers for real hardware,
// a third of the size of the usual one.
const kernelPackage = "linux-image-cloud-amd64"

// userland are the packages that the root file system is made of, beside the libraries they need.
var userland = []string{"busybox-static", "open-iscsi", "e2fsprogs"}

// ErrNoPackages means that this system cannot get the packages: it is not Debian on amd64, or
// "apt-get update" never ran.
var ErrNoPackages = errors.New("vm: no Debian packages for amd64 to be had")

// packages is an unpacked set of Debian packages.
type packages struct {
	kernel   string // directory that the kernel's package is unpacked in
	userland string // directory that all the others are unpacked in
}

// fetchPackages downloads and unpacks what an image needs into dir.
func fetchPackages(ctx context.Context, dir string) (*packages, error) {
	arch, err := output(ctx, "", "dpkg", "--print-architecture")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPackages, err)
	}
	if arch = strings.TrimSpace(arch); arch != "amd64" {
		return nil, fmt.Errorf("%w: this is %s", ErrNoPackages, arch)
	}
	depends, err := output(ctx, "", "apt-cache", "depends", kernelPackage)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPackages, err)
	}
	kernel := firstDependency(depends)
	if kernel == "" {
		return nil, fmt.Errorf("%w: %s depends on nothing", ErrNoPackages, kernelPackage)
	}
	// The closure as apt resolves it for a system on which nothing is installed.
	uris, err := output(ctx, "", "apt-get", append([]string{
		"-o", "Dir::State::status=/dev/null", "-o", "APT::Install-Recommends=0", "-o", "Debug::NoLocking=1",
		"-qq", "-y", "--print-uris", "install",
	}, userland...)...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPackages, err)
	}
	p := &packages{kernel: filepath.Join(dir, "kernel"), userland: filepath.Join(dir, "userland")}
	if err := unpack(ctx, dir, p.kernel, []string{kernel}); err != nil {
		return nil, err
	}
	return p, unpack(ctx, dir, p.userland, neededPackages(uris))
}

// firstDependency returns the first package that the output of "apt-cache depends" names.
func firstDependency(s string) string {
	for _, line := range strings.Split(s, "\n") {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); ok {
			return name
		}
	}
	return ""
}

// neededPackages picks, from the output of "apt-get --print-uris", the packages of userland and
// the libraries. What only scripts of the packages use is left out: it is never run.
func neededPackages(uris string) []string {
	var names []string
	for _, line := range strings.Split(uris, "\n") {
		fields := strings.Fields(line) // 'URI' FILE SIZE SUM
		if len(fields) < 2 {
			continue
		}
		name, _, _ := strings.Cut(fields[1], "_")
		library := strings.HasPrefix(name, "lib") || name == "zlib1g"
		wanted := library && !strings.Contains(name, "perl")
		for _, u := range userland {
			wanted = wanted || name == u
		}
		if wanted {
			names = append(names, name)
		}
	}
	return names
}

// unpack downloads the packages into a folder of dir and unpacks them over each other into to.
func unpack(ctx context.Context, dir, to string, names []string) error {
	debs := to + ".debs"
	for _, d := range []string{debs, to} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("vm: %w", err)
		}
	}
	defer os.RemoveAll(debs)
	args := append([]string{"-qq", "-o", "APT::Sandbox::User=root", "download"}, names...)
	if _, err := output(ctx, debs, "apt-get", args...); err != nil {
		return fmt.Errorf("%w: %w", ErrNoPackages, err)
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil || len(files) != len(names) {
		return fmt.Errorf("vm: %d of %d packages were downloaded", len(files), len(names))
	}
	for _, f := range files {
		if _, err := output(ctx, dir, "dpkg-deb", "-x", f, to); err != nil {
			return err
		}
	}
	return nil
}

// output returns the standard output of a command; its error carries the standard error.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("vm: %s: %w\n%s", name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}
