export function baseOf(path: string): string {
	return path.slice(path.lastIndexOf("/") + 1);
}

export function joinPath(path: string, name: string): string {
	return path === "" ? name : `${path}/${name}`;
}
