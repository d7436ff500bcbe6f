// Loaded into the processes a command starts (`node --import`): when the command is gone, even by kill -9, its end of
// this process's stdin closes, and the process drains as on SIGTERM.
process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM'));
process.stdin.on('error', () => process.kill(process.pid, 'SIGTERM'));
process.stdin.resume();
process.stdin.unref?.();
