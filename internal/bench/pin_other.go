//go:build !linux

package main

import (
	"errors"
	"fmt"
	"os/exec"
)

// startPinned fails: a comparison without pinning says little.
func startPinned(*exec.Cmd, where) error { return errors.ErrUnsupported }

func (m mode) checkCPUs() error {
	return fmt.Errorf("mode %s: pinning to CPUs needs Linux: %w", m.name, errors.ErrUnsupported)
}

func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func terminate(cmd *exec.Cmd) { killGroup(cmd) }

func freezeGroup(*exec.Cmd) {}

func thawGroup(*exec.Cmd) {}
