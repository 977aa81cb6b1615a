package vm

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestWriteCPIO(t *testing.T) {
	root := make(tree)
	root.file("etc/some/name", 0o644, []byte("hello"))
	root.link("bin", "usr/bin")
	root.device("dev/console", 5, 1)
	root.dir("etc")
	var b bytes.Buffer
	require.NoError(t, root.writeCPIO(&b))

	const zero = "00000000"
	field := func(s ...string) string { return "070701" + strings.Join(s, "") }
	want := []string{
		field("00000001", "0000A1FF", zero, zero, "00000001", zero, "00000007", zero, zero, zero, zero, "00000004", zero) + "bin\x00" + "\x00\x00" + "usr/bin\x00",
		field("00000002", "000041ED", zero, zero, "00000002", zero, zero, zero, zero, zero, zero, "00000004", zero) + "dev\x00\x00\x00",
		field("00000003", "00002180", zero, zero, "00000001", zero, zero, zero, zero, "00000005", "00000001", "0000000C", zero) + "dev/console\x00\x00\x00",
		field("00000004", "000041ED", zero, zero, "00000002", zero, zero, zero, zero, zero, zero, "00000004", zero) + "etc\x00\x00\x00",
		field("00000005", "000041ED", zero, zero, "00000002", zero, zero, zero, zero, zero, zero, "00000009", zero) + "etc/some\x00\x00",
		field("00000006", "000081A4", zero, zero, "00000001", zero, "00000005", zero, zero, zero, zero, "0000000E", zero) + "etc/some/name\x00hello\x00\x00\x00",
		field(zero, "00008000", zero, zero, "00000001", zero, zero, zero, zero, zero, zero, "0000000B", zero) + "TRAILER!!!\x00\x00\x00\x00",
	}
	require.Empty(t, cmp.Diff(strings.Join(want, ""), b.String()))
}

func TestTreeKeepsWhatIsThere(t *testing.T) {
	root := make(tree)
	root.link("lib", "usr/lib")
	root.dir("lib")
	require.Equal(t, fs.ModeSymlink, root["lib"].mode.Type())
}

func TestNeededPackages(t *testing.T) {
	uris := `'http://x/a.deb' libc6_2.36-9_amd64.deb 2759320 MD5Sum:1
'http://x/b.deb' zlib1g_1%3a1.2.13_amd64.deb 86684 MD5Sum:2
'http://x/c.deb' perl-base_5.36_amd64.deb 1 MD5Sum:3
'http://x/d.deb' libperl5.36_5.36_amd64.deb 1 MD5Sum:4
'http://x/e.deb' open-iscsi_2.1.8_amd64.deb 1 MD5Sum:5
'http://x/f.deb' udev_252_amd64.deb 1 MD5Sum:6

`
	require.Equal(t, []string{"libc6", "zlib1g", "open-iscsi"}, neededPackages(uris))
}

func TestFirstDependency(t *testing.T) {
	require.Equal(t, "linux-image-6.1.0-1", firstDependency("linux-image\n  Depends: linux-image-6.1.0-1\n  Depends: other\n"))
	require.Empty(t, firstDependency("linux-image\n  Recommends: x\n"))
}

func TestModuleNames(t *testing.T) {
	for file, want := range map[string]string{
		"kernel/arch/x86/crypto/crc32c-intel.ko": "crc32c_intel",
		"/lib/modules/6/kernel/sd_mod.ko.xz":     "sd_mod",
	} {
		require.Equal(t, want, moduleName(file))
	}
}

func TestParseDepends(t *testing.T) {
	for _, c := range []struct {
		info string
		want []string
	}{
		{"license=GPL\x00depends=libiscsi_tcp,scsi-mod\x00name=iscsi_tcp\x00", []string{"libiscsi_tcp", "scsi_mod"}},
		{"depends=\x00name=x\x00", nil},
		{"name=x\x00", nil},
	} {
		require.Empty(t, cmp.Diff(c.want, append([]string(nil), parseDepends([]byte(c.info))...)))
	}
}
