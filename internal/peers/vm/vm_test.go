package vm_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/peers"
	"github.com/goscst/goscst/internal/peers/vm"
)

func TestBoot(t *testing.T) {
	qemu := peers.Tool(t, "qemu-system-x86_64", "qemu-system-x86")
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	start := time.Now()
	img, err := vm.Build(ctx, filepath.Join(cache, "goscst"))
	require.NoError(t, err)
	t.Log("built", time.Since(start))
	start = time.Now()
	m, err := vm.Boot(ctx, qemu, img)
	require.NoError(t, err)
	defer m.Close()
	t.Log("booted", time.Since(start))
	out, err := m.Run(ctx, "uname -a; cat /proc/modules; dmesg | tail -5; ip addr; iscsid --version; ls -la /usr/sbin; free")
	require.NoError(t, err)
	t.Log(out)
}
