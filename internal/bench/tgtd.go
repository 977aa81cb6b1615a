package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// adminLimit bounds one call of tgtadm.
const adminLimit = 10 * time.Second

// startTgtd runs Debian's tgtd with LUN 1 on the image, set up as it is fastest: asynchronous I/O
// of the kernel, which on a file in memory ends at once, and large segments and bursts.
func (l *lab) startTgtd(ctx context.Context, w where, port int) (*process, error) {
	env := []string{"TGT_IPC_SOCKET=" + filepath.Join(l.dir, "tgtd")} // out of the way of another tgtd
	p, err := start(w, env, "tgtd", "-f", "-C", "1", "--iscsi", "portal="+loopback(port))
	if p, err = ready(ctx, p, port, err); err != nil {
		return nil, err
	}
	p.deaf = true // while it has sessions
	steps := []string{"--op new --mode target -T " + iqn}
	for _, param := range []string{
		"MaxRecvDataSegmentLength 262144", "MaxXmitDataSegmentLength 262144", "MaxBurstLength 262144",
		"FirstBurstLength 65536", "InitialR2T No", "MaxOutstandingR2T 8",
	} {
		name, value, _ := strings.Cut(param, " ")
		steps = append(steps, "--op update --mode target --name "+name+" --value "+value)
	}
	steps = append(steps,
		"--op new --mode logicalunit --lun 1 --bstype aio -b "+l.image,
		"--op bind --mode target -I ALL",
	)
	for _, s := range steps {
		if err := l.tgtadm(ctx, env, s); err != nil {
			p.kill()
			return nil, err
		}
	}
	return p, nil
}

func (l *lab) tgtadm(ctx context.Context, env []string, args string) error {
	ctx, cancel := context.WithTimeout(ctx, adminLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "tgtadm", append([]string{"-C", "1", "--lld", "iscsi", "--tid", "1"}, strings.Fields(args)...)...)
	cmd.Env = append(cmd.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("tgtadm %s: %w: %s", args, err, strings.TrimSpace(string(out)))
	}
	return nil
}
