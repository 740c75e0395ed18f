/** Directories of the system and its packages, which contain no agent's files. */
const SYSTEM =
	/^\/(?:bin|boot|dev|gnu\/store|lib|lib32|lib64|libx32|nix\/store|proc|sbin|snap|sys|usr(?!\/local\/(?:data|share|srv|var))|etc\/(?:alternatives|ssl))(?:\/|$)/;

export function isSystemPlace(path: string): boolean {
	return SYSTEM.test(path);
}
