// Loaded into the processes a command starts (`node --import`): when the command is gone, even by kill -9, its end of
// this process's stdin closes, and the process drains as on SIGTERM.
import { isMainThread } from 'node:worker_threads';

// Worker threads inherit --import; their stdin is not the parent's.
if (isMainThread) {
  const drain = () => process.kill(process.pid, 'SIGTERM');
  process.stdin.on('end', drain);
  process.stdin.on('error', drain);
  process.stdin.resume();
  process.stdin.unref?.();
}
