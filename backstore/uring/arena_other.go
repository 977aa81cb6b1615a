//go:build !linux

package uring

func (a *Arena) makeMemory(int) error { return unavailableHere() }
