package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/peers/vm"
)

const (
	imageTimeout  = 5 * time.Minute // packages are downloaded the first time
	bootTimeout   = 2 * time.Minute
	scriptTimeout = 90 * time.Second // the longest takes 5 s on an idle machine
)

// guest is a Linux system without privileges on the host, whose kernel is the initiator.
type guest struct {
	t *testing.T
	m *vm.Machine
}

// bootGuest boots the distribution's kernel and starts the iSCSI daemon in it.
func bootGuest(t *testing.T) *guest {
	t.Helper()
	qemu := Tool(t, "qemu-system-x86_64", "qemu-system-x86")
	cache := os.Getenv("GOSCST_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		require.NoError(t, err)
		cache = filepath.Join(dir, "goscst")
	}
	ctx, cancel := context.WithTimeout(t.Context(), imageTimeout)
	defer cancel()
	img, err := vm.Build(ctx, cache)
	if errors.Is(err, vm.ErrNoPackages) {
		Missing(t, err.Error())
	}
	require.NoError(t, err)

	ctx, cancel = context.WithTimeout(t.Context(), bootTimeout)
	defer cancel()
	m, err := vm.Boot(ctx, qemu, img)
	require.NoError(t, err)
	g := &guest{t: t, m: m}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console of the guest:\n%s", m.Console())
		}
		require.NoError(t, m.Close())
	})
	g.run(`echo InitiatorName=iqn.2026-11.io.github.goscst:guest > /etc/iscsi/initiatorname.iscsi
		iscsid
		until grep -q ISCSIADM_ABSTRACT_NAMESPACE /proc/net/unix; do usleep 20000; done`)
	return g
}

// run runs a shell script that has to succeed, each of its commands, and returns its output.
func (g *guest) run(script string, args ...any) string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), scriptTimeout)
	defer cancel()
	start := time.Now()
	out, err := g.m.Run(ctx, "set -eu\n"+fmt.Sprintf(script, args...))
	require.NoError(g.t, err, "after %v", time.Since(start))
	return strings.TrimSpace(out)
}

// TestKernel lets Linux use disks of the target as any administrator would.
func TestKernel(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	file := filepath.Join(t.TempDir(), "disk")
	tgt := startTarget(t, lun{file: file, size: size}, lun{size: size})
	g := bootGuest(t)
	for i, digest := range []string{"None", "CRC32C"} {
		ok := t.Run("digests "+digest, func(t *testing.T) {
			g := &guest{t: t, m: g.m}
			g.login(tgt, digest)
			dev := g.disk(tgt.first + i)
			require.Equal(t, fmt.Sprint(size), g.run("blockdev --getsize64 %s", dev))
			g.fileSystem(dev)
			if i == 0 {
				requireTrimmed(t, file, size)
			}
			if tgt.ours {
				g.grow(tgt, i, dev, size, 2*size)
			}
			g.logout(tgt)
		})
		require.True(t, ok, "a session may be left in the guest")
	}
	require.Empty(t, g.complaints())
}

// login discovers the target and opens a session with the digests.
func (g *guest) login(tgt *target, digest string) {
	g.t.Helper()
	port := tgt.portal[strings.LastIndexByte(tgt.portal, ':')+1:]
	portal := vm.HostAddr + ":" + port
	found := g.run("iscsiadm -m discovery -t sendtargets -p %s", portal)
	require.Contains(g.t, found, targetName)
	// The target names the address that it sees itself, which is the guest's own loopback.
	g.run(`iscsiadm -m node -o delete
		node="iscsiadm -m node -T %s -p %s"
		$node -o new
		$node -o update -n node.conn[0].iscsi.HeaderDigest -v %[3]s
		$node -o update -n node.conn[0].iscsi.DataDigest -v %[3]s
		$node --login`, targetName, portal, digest)
	inUse := map[string]string{"None": "0 0", "CRC32C": "1 1"}
	require.Equal(g.t, inUse[digest],
		g.run("echo $(cat /sys/class/iscsi_connection/*/header_digest /sys/class/iscsi_connection/*/data_digest)"))
}

// logout closes the session and waits until its disks are gone.
func (g *guest) logout(tgt *target) {
	g.t.Helper()
	g.run(`iscsiadm -m node -T %s --logout
		for i in $(seq 500); do [ -z "$(ls /sys/class/iscsi_session)" ] && exit 0; usleep 20000; done
		ls -l /sys/class/iscsi_session; exit 1`, targetName)
}

// disk returns the block device of a logical unit, which shows up some time after the login.
func (g *guest) disk(lun int) string {
	g.t.Helper()
	return g.run(`for i in $(seq 1000); do
			for d in /sys/class/scsi_device/*:%d/device/block/*; do
				[ -b /dev/${d##*/} ] && echo /dev/${d##*/} && exit 0
			done
			usleep 20000
		done
		ls -l /sys/class/scsi_device; dmesg | tail; exit 1`, lun)
}

// fileSystem makes a file system, fills it, and checks it from the medium, not from the cache.
func (g *guest) fileSystem(dev string) {
	g.t.Helper()
	g.run("mkfs.ext4 -q %[1]s; mount %[1]s /mnt", dev)
	g.run(`for i in 1 2 3 4; do dd if=/dev/urandom of=/mnt/f$i bs=1M count=4 2>/dev/null; done
		cd /mnt; sha256sum f? > /tmp/sums`)
	g.run("umount /mnt; echo 3 > /proc/sys/vm/drop_caches; blockdev --flushbufs %[1]s; mount %[1]s /mnt", dev)
	g.run("cd /mnt; sha256sum -c -s /tmp/sums")
	g.run("rm /mnt/f?; sync; fstrim /mnt; umount /mnt")
	g.run("e2fsck -fn %s", dev)
}

// requireTrimmed checks that the backing file has given up the blocks that were trimmed.
func requireTrimmed(t *testing.T, file string, size int64) {
	t.Helper()
	out := must(t, time.Minute, "du", "--block-size=1", file)
	var used int64
	_, err := fmt.Sscan(out, &used)
	require.NoError(t, err)
	require.Less(t, used, size/4, "16 MiB were written and trimmed")
}

// grow makes the disk larger under a mounted file system, and uses the new space.
func (g *guest) grow(tgt *target, i int, dev string, from, to int64) {
	g.t.Helper()
	g.run("mount %s /mnt; dd if=/dev/urandom of=/mnt/old bs=1M count=4 2>/dev/null; sync; sha256sum /mnt/old > /tmp/old", dev)
	tgt.resize(g.t, i, to)
	// The next command is answered with a unit attention, which the kernel reports and retries.
	g.run("dd if=%s of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null", dev)
	g.run("dmesg | grep -q 'Capacity data has changed'")
	g.run("echo 1 > /sys/block/%s/device/rescan", filepath.Base(dev))
	require.Equal(g.t, fmt.Sprint(to), g.run("blockdev --getsize64 %s", dev))
	g.run("resize2fs %s 2>/dev/null", dev)
	g.run("dd if=/dev/urandom of=/mnt/new bs=1M count=%d 2>/dev/null; sha256sum /mnt/new > /tmp/new", from>>20)
	g.run("umount /mnt; echo 3 > /proc/sys/vm/drop_caches; mount %s /mnt; sha256sum -c -s /tmp/old /tmp/new; umount /mnt", dev)
	g.run("e2fsck -fn %s", dev)
}

// complaint matches kernel messages about commands or connections that failed.
var complaint = regexp.MustCompile(`(?i)i/o error|conn error|protocol error|digest|timed out|\breset\b|medium error|hardware error|aborted command|illegal request`)

// complaints returns what the kernel logged that it should not have had a reason for.
func (g *guest) complaints() string {
	var found []string
	for _, line := range strings.Split(g.run("dmesg"), "\n") {
		if strings.Contains(line, "Power-on or device reset occurred") {
			continue // the unit attention that every new nexus gets
		}
		if complaint.MatchString(line) && (strings.Contains(line, "sd ") || strings.Contains(line, "scsi") || strings.Contains(line, "connection") || strings.Contains(line, "EXT4")) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "\n")
}
