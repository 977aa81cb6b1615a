package peers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startTgtd runs Debian's user space target with the logical units, all in files.
func startTgtd(t testing.TB, luns []lun) *target {
	t.Helper()
	daemon, admin := Tool(t, "tgtd", "tgt"), Tool(t, "tgtadm", "tgt")
	// It cannot choose a port by itself.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	portal := l.Addr().String()
	require.NoError(t, l.Close())
	control := strconv.Itoa(1 + l.Addr().(*net.TCPAddr).Port%32767) // names its control socket

	p := start(t, daemon, "-f", "-C", control, "--iscsi", "portal="+portal)
	for deadline := time.Now().Add(startTimeout); ; {
		conn, err := net.Dial("tcp", portal)
		if err == nil {
			require.NoError(t, conn.Close())
			break
		}
		require.True(t, time.Now().Before(deadline), "tgtd does not listen: %v", err)
		select {
		case <-p.exited:
			t.Fatalf("tgtd ended:\n%s", p.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
	adm := func(args ...string) {
		t.Helper()
		must(t, startTimeout, admin, append([]string{"-C", control, "--lld", "iscsi"}, args...)...)
	}
	adm("--op", "new", "--mode", "target", "--tid", "1", "-T", targetName)
	for i, l := range luns {
		file := l.file
		if file == "" {
			file = filepath.Join(t.TempDir(), fmt.Sprintf("lun%d", i))
		}
		f, err := os.Create(file)
		require.NoError(t, err)
		require.NoError(t, f.Truncate(l.size))
		require.NoError(t, f.Close())
		number := strconv.Itoa(i + 1)
		adm("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", number, "-b", file)
		adm("--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", number, "--params", l.tgtParams())
	}
	for _, digest := range []string{"HeaderDigest", "DataDigest"} {
		adm("--op", "update", "--mode", "target", "--tid", "1", "--name", digest, "-v", "CRC32C,None")
	}
	adm("--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL")
	return &target{portal: portal, first: 1}
}

// tgtParams translates the options.
func (l lun) tgtParams() string {
	thin, physexp := "thin_provisioning=1", "lbppbe=3"
	var rest []string
	for _, o := range strings.Split(l.options, ",") {
		switch key, value, _ := strings.Cut(o, "="); key {
		case "thin":
			thin = ""
		case "physexp":
			physexp = "lbppbe=" + value
		case "ro":
			rest = append(rest, "readonly=1")
		case "removable":
			rest = append(rest, "removable=1")
		}
	}
	if thin != "" {
		rest = append(rest, thin)
	}
	return strings.Join(append(rest, physexp), ",")
}
